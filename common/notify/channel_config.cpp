#include "common/notify/channel_config.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

constexpr std::size_t kMaxChannels = 50;

template <typename... Visitors>
struct ByKind : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
ByKind(Visitors...) -> ByKind<Visitors...>;

absl::StatusOr<SecretBytes> RequiredSecret(FileSystem& fs, const ConfigNode& node,
                                           std::string_view key) {
  ASSIGN_OR_RETURN(auto secret, node.Secret(fs, key));
  if (secret && !secret->empty()) return *std::move(secret);
  return node.Refuse(fmt::format("'{}_file' is missing", key),
                     fmt::format("Put it alone into a file of mode 0600: {}_file: PATH.", key));
}

absl::StatusOr<NetworkOptions> ReadNetwork(const ConfigNode& node, const AddressPolicy& policy) {
  NetworkOptions network;
  network.policy = policy;
  ASSIGN_OR_RETURN(network.ca_file, node.Text("ca_file", ""));
  if (!network.ca_file.empty() && network.ca_file[0] != '/') {
    return node.Find("ca_file")->Refuse("this is not an absolute path");
  }
  return network;
}

absl::Status CheckUrl(const ConfigNode& node, std::string_view url, const AddressPolicy& policy) {
  if (IsUsableUrl(url, policy)) return absl::OkStatus();
  return node.Refuse("its URL is not usable",
                     "It begins with https:// (http:// needs allow_private_addresses: true), and "
                     "holds neither blanks nor a user.");
}

absl::StatusOr<SlackOptions> ReadSlack(FileSystem& fs, const ConfigNode& node,
                                       const AddressPolicy& policy) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "kind", "severity", "ca_file", "url", "url_file"}));
  SlackOptions options;
  ASSIGN_OR_RETURN(options.url, RequiredSecret(fs, node, "url"));
  RETURN_IF_ERROR(CheckUrl(node, options.url.view(), policy));
  ASSIGN_OR_RETURN(options.network, ReadNetwork(node, policy));
  return options;
}

absl::StatusOr<PagerDutyOptions> ReadPagerDuty(FileSystem& fs, const ConfigNode& node,
                                               const AddressPolicy& policy) {
  RETURN_IF_ERROR(node.CheckKeys(
      {"name", "kind", "severity", "ca_file", "routing_key", "routing_key_file", "url"}));
  PagerDutyOptions options;
  ASSIGN_OR_RETURN(options.routing_key, RequiredSecret(fs, node, "routing_key"));
  ASSIGN_OR_RETURN(options.url, node.Text("url", kPagerDutyUrl));
  RETURN_IF_ERROR(CheckUrl(node, options.url, policy));
  ASSIGN_OR_RETURN(options.network, ReadNetwork(node, policy));
  return options;
}

absl::StatusOr<WebhookOptions> ReadWebhook(FileSystem& fs, const ConfigNode& node,
                                           const AddressPolicy& policy) {
  RETURN_IF_ERROR(
      node.CheckKeys({"name", "kind", "severity", "ca_file", "url", "url_file", "secret",
                      "secret_file", "previous_secret", "previous_secret_file"}));
  WebhookOptions options;
  ASSIGN_OR_RETURN(options.url, RequiredSecret(fs, node, "url"));
  RETURN_IF_ERROR(CheckUrl(node, options.url.view(), policy));
  ASSIGN_OR_RETURN(options.secret, RequiredSecret(fs, node, "secret"));
  ASSIGN_OR_RETURN(auto previous, node.Secret(fs, "previous_secret"));
  if (previous) options.previous_secret = *std::move(previous);
  ASSIGN_OR_RETURN(options.network, ReadNetwork(node, policy));
  return options;
}

bool IsMailAddress(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.size() < 250 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != '<' && c != '>' && c != ',' &&
                  c != 0x7f;
         });
}

absl::StatusOr<EmailOptions> ReadEmail(FileSystem& fs, const ConfigNode& node,
                                       const AddressPolicy& policy) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "kind", "severity", "ca_file", "server", "tls", "user",
                                  "password", "password_file", "from", "to"},
                                 {"server", "from", "to"}));
  EmailOptions options;
  ASSIGN_OR_RETURN(options.server, node.Text("server"));
  const bool implicit = options.server.rfind("smtps://", 0) == 0;
  if (!implicit && options.server.rfind("smtp://", 0) != 0) {
    return node.Find("server")->Refuse("this is no mail server",
                                       "Write for example smtp://mail.example.com:587, or smtps://"
                                       "mail.example.com for TLS from the start.");
  }
  ASSIGN_OR_RETURN(options.needs_tls, node.Bool("tls", true));
  ASSIGN_OR_RETURN(options.user, node.Text("user", ""));
  ASSIGN_OR_RETURN(auto password, node.Secret(fs, "password"));
  if (password) options.password = *std::move(password);
  if (!options.needs_tls && !implicit && !options.user.empty()) {
    return node.Find("tls")->Refuse("a password is not sent without TLS");
  }
  ASSIGN_OR_RETURN(options.from, node.Text("from"));
  if (!IsMailAddress(options.from)) {
    return node.Find("from")->Refuse("this is no mail address");
  }
  ASSIGN_OR_RETURN(options.to, node.Texts("to"));
  if (options.to.empty() || !std::all_of(options.to.begin(), options.to.end(), IsMailAddress)) {
    return node.Find("to")->Refuse("this is no list of mail addresses",
                                   "Write for example [ops@example.com].");
  }
  ASSIGN_OR_RETURN(options.network, ReadNetwork(node, policy));
  return options;
}

absl::StatusOr<CommandOptions> ReadCommand(const ConfigNode& node) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "kind", "severity", "argv", "timeout"}, {"argv"}));
  CommandOptions options;
  ASSIGN_OR_RETURN(options.argv, node.Texts("argv"));
  if (options.argv.empty() || options.argv[0].empty() || options.argv[0][0] != '/') {
    return node.Find("argv")->Refuse("the program is not an absolute path",
                                     "Write for example [/usr/local/bin/siren, --loud].");
  }
  ASSIGN_OR_RETURN(options.time, node.Duration("timeout", options.time));
  if (options.time < absl::Seconds(1) || options.time > absl::Minutes(5)) {
    return node.Find("timeout")->Refuse("this is not between 1s and 5m");
  }
  return options;
}

absl::StatusOr<Severity> ReadSeverity(const ConfigNode& node) {
  ASSIGN_OR_RETURN(const std::string text, node.Text("severity", "info"));
  for (const Severity severity :
       {Severity::kInfo, Severity::kWarning, Severity::kError, Severity::kCritical}) {
    if (text == NameOf(severity)) return severity;
  }
  return node.Find("severity")
      ->Refuse("this is no severity", "One of info, warning, error, critical.");
}

absl::StatusOr<ChannelConfig> ReadChannel(FileSystem& fs, const ConfigNode& node,
                                          const AddressPolicy& policy) {
  ChannelConfig channel;
  ASSIGN_OR_RETURN(channel.name, node.Text("name"));
  if (channel.name.empty() || channel.name.size() > 64 || channel.name != Escaped(channel.name) ||
      channel.name.find(' ') != std::string::npos) {
    return node.Find("name")->Refuse("this is not a usable name");
  }
  ASSIGN_OR_RETURN(channel.least, ReadSeverity(node));
  ASSIGN_OR_RETURN(const std::string kind, node.Text("kind"));
  if (kind == "slack") {
    ASSIGN_OR_RETURN(channel.options, ReadSlack(fs, node, policy));
  } else if (kind == "email") {
    ASSIGN_OR_RETURN(channel.options, ReadEmail(fs, node, policy));
  } else if (kind == "pagerduty") {
    ASSIGN_OR_RETURN(channel.options, ReadPagerDuty(fs, node, policy));
  } else if (kind == "webhook") {
    ASSIGN_OR_RETURN(channel.options, ReadWebhook(fs, node, policy));
  } else if (kind == "command") {
    ASSIGN_OR_RETURN(channel.options, ReadCommand(node));
  } else {
    return node.Find("kind")->Refuse("this is no kind of channel",
                                     "One of slack, email, pagerduty, webhook, command.");
  }
  std::visit([&](auto& options) { options.name = channel.name; }, channel.options);
  return channel;
}

}  // namespace

absl::StatusOr<std::vector<ChannelConfig>> ReadChannels(FileSystem& fs, const ConfigNode& node) {
  AddressPolicy policy;
  ASSIGN_OR_RETURN(policy.allow_private, node.Bool("allow_private_addresses", false));
  std::vector<ChannelConfig> channels;
  if (!node.Has("channels")) return channels;
  ASSIGN_OR_RETURN(const auto list, node.List("channels"));
  if (list.size() > kMaxChannels) return node.Find("channels")->Refuse("more than 50 channels");
  for (const ConfigNode& one : list) {
    ASSIGN_OR_RETURN(ChannelConfig channel, ReadChannel(fs, one, policy));
    const bool known = std::any_of(channels.begin(), channels.end(),
                                   [&](const auto& other) { return other.name == channel.name; });
    if (known) return one.Find("name")->Refuse("another channel has this name");
    channels.push_back(std::move(channel));
  }
  return channels;
}

absl::StatusOr<std::vector<std::string>> ReadChannelNames(
    const ConfigNode& node, std::string_view key, const std::vector<ChannelConfig>& channels) {
  ASSIGN_OR_RETURN(auto names, node.Texts(key));
  for (const std::string& name : names) {
    const bool known = std::any_of(channels.begin(), channels.end(),
                                   [&](const auto& channel) { return channel.name == name; });
    if (!known) {
      return node.Find(key)->Refuse(fmt::format("there is no channel '{}'", Escaped(name)));
    }
  }
  return names;
}

std::unique_ptr<Channel> MakeChannel(Env env, const ChannelConfig& config) {
  return std::visit(ByKind{[](const SlackOptions& options) { return MakeSlack(options); },
                           [&](const EmailOptions& options) { return MakeEmail(env, options); },
                           [](const PagerDutyOptions& options) { return MakePagerDuty(options); },
                           [&](const WebhookOptions& options) { return MakeWebhook(env, options); },
                           [](const CommandOptions& options) { return MakeCommand(options); }},
                    config.options);
}

}  // namespace holdfast::notify
