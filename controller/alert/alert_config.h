// Alerting as controller.yaml says it. All of it may be missing: then nobody is told, and alerts
// are seen in `holdfast alert list` and `holdfast status` only.
//
//   alerts:
//     no_success: 25h            # a source without a successful backup for so long
//     agent_silent: 15m
//     disk_free: 5GiB
//     remind: 4h                 # nobody acknowledged: told again; 0: never
//     link: https://backup.example.com/ack/     # before the token of "I take care of it"
//     allow_private_addresses: false
//     channels: […]              # common/notify/channel_config.h
//     escalation:                # without it every channel is told at once
//       - {after: 0m, contacts: [ana]}
//       - {after: 30m, contacts: [ben], channels: [pager]}
//     digest: {at: "07:00", time_zone: Europe/Berlin, channels: [mail]}
//     heartbeat: {url_file: heartbeat.url, every: 5m}
//   contacts:
//     - {name: ana, role: database, phone: "+49 …", channels: [ops], time_zone: Europe/Berlin,
//        on_call: [{days: mon-fri, from: "08:00", to: "18:00"}]}
//   providers:
//     - {name: DigitalOcean, service: servers, support: "https://…", phone: "+1 …"}
// Hides:      YAML.
// Invariants: names are unique and known; steps are in the order of their times.
// Threading:  values and pure functions.
// Errors:     kUsage with file, line and column; kPermission for secrets with wrong rights.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/notify/channel_config.h"
#include "controller/alert/routing.h"
#include "controller/alert/rules.h"

namespace holdfast::alert {

struct DigestConfig {
  int minute = 0;  // of the local day
  absl::TimeZone zone = absl::UTCTimeZone();
  std::vector<std::string> channels;  // empty: all
};

struct HeartbeatConfig {
  SecretBytes url;
  absl::Duration every = absl::Minutes(5);
  notify::NetworkOptions network;
};

struct AlertConfig {
  RuleLimits limits;
  absl::Duration remind = absl::Hours(4);
  std::string link;
  std::vector<notify::ChannelConfig> channels;
  std::vector<EscalationStep> steps;
  std::vector<Contact> contacts;
  std::vector<Provider> providers;
  std::optional<DigestConfig> digest;
  std::optional<HeartbeatConfig> heartbeat;
};

// The keys `alerts`, `contacts` and `providers` of the configuration.
absl::StatusOr<AlertConfig> ReadAlertConfig(FileSystem& fs, const ConfigNode& root);

}  // namespace holdfast::alert
