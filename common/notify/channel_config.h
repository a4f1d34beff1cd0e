// Channels as an operator configures them, the same for both daemons.
//
//   allow_private_addresses: false       # loopback and private networks as targets
//   channels:
//     - {name: ops, kind: slack, url_file: slack.url}
//     - {name: mail, kind: email, server: "smtp://mail.example.com:587", user: backup,
//        password_file: mail.password, from: backup@example.com, to: [ops@example.com]}
//     - {name: pager, kind: pagerduty, routing_key_file: pager.key}
//     - {name: hook, kind: webhook, url_file: hook.url, secret_file: hook.secret}
//     - {name: siren, kind: command, argv: [/usr/local/bin/siren, "--loud"], timeout: 30s}
//   # any kind: severity: warning (the least it is told of), ca_file: PATH (its server's CA)
// Hides:      YAML, where secrets lie.
// Invariants: names are unique; secrets come from files or the environment only; a URL is https,
//             or http where private addresses are allowed; a password never goes without TLS.
// Threading:  values and pure functions.
// Errors:     kUsage with file, line and column; kPermission for secrets with wrong rights.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/config/config.h"
#include "common/notify/channels.h"

namespace holdfast::notify {

struct ChannelConfig {
  std::string name;
  Severity least = Severity::kInfo;
  std::variant<SlackOptions, EmailOptions, PagerDutyOptions, WebhookOptions, CommandOptions>
      options;
};

// The list `channels` of `node` (it may be missing) and `allow_private_addresses`.
absl::StatusOr<std::vector<ChannelConfig>> ReadChannels(FileSystem& fs, const ConfigNode& node);
// Names of channels in a list of them; kUsage 1017 for one that is not there.
absl::StatusOr<std::vector<std::string>> ReadChannelNames(
    const ConfigNode& node, std::string_view key, const std::vector<ChannelConfig>& channels);

std::unique_ptr<Channel> MakeChannel(Env env, const ChannelConfig& config);

}  // namespace holdfast::notify
