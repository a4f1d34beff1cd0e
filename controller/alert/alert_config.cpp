#include "controller/alert/alert_config.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

absl::Status ReadZone(const ConfigNode& node, absl::TimeZone* zone, std::string* name) {
  ASSIGN_OR_RETURN(*name, node.Text("time_zone", "UTC"));
  if (absl::LoadTimeZone(*name, zone)) return absl::OkStatus();
  return node.Find("time_zone")
      ->Refuse("this is no time zone",
               "Write for example Europe/Berlin; the package tzdata has them.");
}

absl::StatusOr<Contact> ReadContact(const ConfigNode& node, const AlertConfig& config) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "role", "phone", "channels", "time_zone", "on_call"},
                                 {"name", "channels"}));
  Contact contact;
  ASSIGN_OR_RETURN(contact.name, node.Text("name"));
  ASSIGN_OR_RETURN(contact.role, node.Text("role", ""));
  ASSIGN_OR_RETURN(contact.phone, node.Text("phone", ""));
  ASSIGN_OR_RETURN(contact.channels, notify::ReadChannelNames(node, "channels", config.channels));
  RETURN_IF_ERROR(ReadZone(node, &contact.zone, &contact.zone_name));
  for (const Contact& other : config.contacts) {
    if (other.name == contact.name) {
      return node.Find("name")->Refuse("another contact has this name");
    }
  }
  if (!node.Has("on_call")) return contact;
  ASSIGN_OR_RETURN(const auto windows, node.List("on_call"));
  for (const ConfigNode& window : windows) {
    RETURN_IF_ERROR(window.CheckKeys({"days", "from", "to"}, {"from", "to"}));
    ASSIGN_OR_RETURN(contact.hours.emplace_back(), ReadWeekHours(window));
  }
  return contact;
}

absl::StatusOr<Provider> ReadProvider(const ConfigNode& node) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "service", "support", "phone"}, {"name"}));
  Provider provider;
  ASSIGN_OR_RETURN(provider.name, node.Text("name"));
  ASSIGN_OR_RETURN(provider.service, node.Text("service", ""));
  ASSIGN_OR_RETURN(provider.support, node.Text("support", ""));
  ASSIGN_OR_RETURN(provider.phone, node.Text("phone", ""));
  return provider;
}

absl::StatusOr<EscalationStep> ReadStep(const ConfigNode& node, const AlertConfig& config) {
  RETURN_IF_ERROR(node.CheckKeys({"after", "contacts", "channels"}));
  EscalationStep step;
  ASSIGN_OR_RETURN(step.after, node.Duration("after", absl::ZeroDuration()));
  ASSIGN_OR_RETURN(step.contacts, node.Texts("contacts"));
  for (const std::string& name : step.contacts) {
    const bool known = std::any_of(config.contacts.begin(), config.contacts.end(),
                                   [&](const Contact& contact) { return contact.name == name; });
    if (!known) {
      return node.Find("contacts")->Refuse(fmt::format("there is no contact '{}'", Escaped(name)));
    }
  }
  ASSIGN_OR_RETURN(step.channels, notify::ReadChannelNames(node, "channels", config.channels));
  if (step.contacts.empty() && step.channels.empty()) {
    return node.Refuse("this step tells nobody", "Name contacts or channels.");
  }
  if (!config.steps.empty() && step.after <= config.steps.back().after) {
    return node.Refuse("this step is not later than the one before it");
  }
  return step;
}

absl::StatusOr<DigestConfig> ReadDigest(const ConfigNode& node, const AlertConfig& config) {
  RETURN_IF_ERROR(node.CheckKeys({"at", "time_zone", "channels"}, {"at"}));
  DigestConfig digest;
  ASSIGN_OR_RETURN(digest.minute, ReadTimeOfDay(node, "at"));
  std::string zone_name;
  RETURN_IF_ERROR(ReadZone(node, &digest.zone, &zone_name));
  ASSIGN_OR_RETURN(digest.channels, notify::ReadChannelNames(node, "channels", config.channels));
  return digest;
}

absl::StatusOr<HeartbeatConfig> ReadHeartbeat(FileSystem& fs, const ConfigNode& node,
                                              const notify::AddressPolicy& policy) {
  RETURN_IF_ERROR(node.CheckKeys({"url", "url_file", "every", "ca_file"}));
  HeartbeatConfig heartbeat;
  ASSIGN_OR_RETURN(auto url, node.Secret(fs, "url"));
  if (!url || !notify::IsUsableUrl(url->view(), policy)) {
    return node.Refuse("there is no usable URL",
                       "Put it alone into a file of mode 0600: url_file: PATH; it begins with "
                       "https:// (http:// needs allow_private_addresses: true).");
  }
  heartbeat.url = *std::move(url);
  heartbeat.network.policy = policy;
  ASSIGN_OR_RETURN(heartbeat.network.ca_file, node.Text("ca_file", ""));
  ASSIGN_OR_RETURN(heartbeat.every, node.Duration("every", heartbeat.every));
  if (heartbeat.every < absl::Seconds(1)) {
    return node.Find("every")->Refuse("this is shorter than a second");
  }
  return heartbeat;
}

absl::Status ReadLimits(const ConfigNode& node, AlertConfig* config) {
  RuleLimits& limits = config->limits;
  ASSIGN_OR_RETURN(limits.no_success, node.Duration("no_success", limits.no_success));
  ASSIGN_OR_RETURN(limits.agent_silent, node.Duration("agent_silent", limits.agent_silent));
  ASSIGN_OR_RETURN(limits.disk_free_bytes, node.Size("disk_free", limits.disk_free_bytes));
  ASSIGN_OR_RETURN(config->remind, node.Duration("remind", config->remind));
  for (const char* key : {"no_success", "agent_silent"}) {
    ASSIGN_OR_RETURN(const absl::Duration limit, node.Duration(key, absl::Hours(1)));
    if (limit < absl::Seconds(1)) return node.Find(key)->Refuse("this is shorter than a second");
  }
  if (config->remind != absl::ZeroDuration() && config->remind < absl::Minutes(1)) {
    return node.Find("remind")->Refuse("this is shorter than a minute", "0 means never.");
  }
  ASSIGN_OR_RETURN(config->link, node.Text("link", ""));
  if (!config->link.empty() && !notify::IsUsableUrl(config->link, {true})) {
    return node.Find("link")->Refuse("this is no URL",
                                     "Write for example "
                                     "https://backup.example.com/ack/");
  }
  return absl::OkStatus();
}

absl::Status ReadAlerts(FileSystem& fs, const ConfigNode& node, AlertConfig* config) {
  RETURN_IF_ERROR(
      node.CheckKeys({"no_success", "agent_silent", "disk_free", "remind", "link",
                      "allow_private_addresses", "channels", "escalation", "digest", "heartbeat"}));
  RETURN_IF_ERROR(ReadLimits(node, config));
  ASSIGN_OR_RETURN(config->channels, notify::ReadChannels(fs, node));
  if (const auto digest = node.Find("digest")) {
    ASSIGN_OR_RETURN(config->digest, ReadDigest(*digest, *config));
  }
  if (const auto heartbeat = node.Find("heartbeat")) {
    notify::AddressPolicy policy;
    ASSIGN_OR_RETURN(policy.allow_private, node.Bool("allow_private_addresses", false));
    ASSIGN_OR_RETURN(config->heartbeat, ReadHeartbeat(fs, *heartbeat, policy));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AlertConfig> ReadAlertConfig(FileSystem& fs, const ConfigNode& root) {
  AlertConfig config;
  const auto alerts = root.Find("alerts");
  if (alerts) RETURN_IF_ERROR(ReadAlerts(fs, *alerts, &config));
  if (root.Has("contacts")) {
    ASSIGN_OR_RETURN(const auto contacts, root.List("contacts"));
    for (const ConfigNode& node : contacts) {
      ASSIGN_OR_RETURN(Contact contact, ReadContact(node, config));
      config.contacts.push_back(std::move(contact));
    }
  }
  if (root.Has("providers")) {
    ASSIGN_OR_RETURN(const auto providers, root.List("providers"));
    for (const ConfigNode& node : providers) {
      ASSIGN_OR_RETURN(config.providers.emplace_back(), ReadProvider(node));
    }
  }
  if (alerts && alerts->Has("escalation")) {
    ASSIGN_OR_RETURN(const auto steps, alerts->List("escalation"));
    for (const ConfigNode& node : steps) {
      ASSIGN_OR_RETURN(EscalationStep step, ReadStep(node, config));
      config.steps.push_back(std::move(step));
    }
  }
  return config;
}

}  // namespace holdfast::alert
