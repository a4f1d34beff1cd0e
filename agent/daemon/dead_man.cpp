#include "agent/daemon/dead_man.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/log/log.h"
#include "common/notify/retry.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using notify::Action;
using notify::Delivery;
using StateJson = nlohmann::ordered_json;

constexpr absl::Duration kSaveEvery = absl::Minutes(5);
constexpr absl::Duration kLookEvery = absl::Seconds(5);
constexpr absl::Duration kSuspicionLasts = absl::Hours(24);
constexpr std::size_t kWhatBytes = 1000;
constexpr std::uint64_t kMaxUnixMs = 253'402'300'800'000;  // the year 10000: no time of ours
constexpr const char* kMatters[] = {"contact", "backup", "suspicion"};

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

absl::Time TimeIn(const StateJson& json, const char* key, absl::Time fallback) {
  if (!json.contains(key) || !json[key].is_number_unsigned()) return fallback;
  const auto unix_ms = json[key].get<std::uint64_t>();
  if (unix_ms > kMaxUnixMs) return fallback;
  return absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

}  // namespace

absl::StatusOr<DeadManConfig> ReadDeadManConfig(FileSystem& fs, const ConfigNode& node) {
  RETURN_IF_ERROR(
      node.CheckKeys({"unreachable", "no_backup", "allow_private_addresses", "channels"}));
  DeadManConfig config;
  ASSIGN_OR_RETURN(config.unreachable, node.Duration("unreachable", config.unreachable));
  ASSIGN_OR_RETURN(config.no_backup, node.Duration("no_backup", config.no_backup));
  for (const char* key : {"unreachable", "no_backup"}) {
    ASSIGN_OR_RETURN(const absl::Duration limit, node.Duration(key, absl::Hours(1)));
    if (limit < absl::Seconds(1)) return node.Find(key)->Refuse("this is shorter than a second");
  }
  ASSIGN_OR_RETURN(config.channels, notify::ReadChannels(fs, node));
  return config;
}

DeadMan::DeadMan(DeadManOptions options) : options_(std::move(options)) { LoadState(); }

DeadMan::~DeadMan() {
  thread_ = {};
  std::lock_guard lock(mutex_);
  SaveState();
}

void DeadMan::Start() {
  if (options_.channels.empty()) return;
  thread_ = std::jthread([this](std::stop_token stop) {
    while (options_.env.clock.SleepFor(kLookEvery, stop)) Look(stop);
  });
}

void DeadMan::LoadState() {
  const absl::Time now = options_.env.clock.Now();
  const auto text = options_.env.fs.ReadFile(options_.state_path, 1 << 20);
  const StateJson json = text.ok() ? StateJson::parse(*text, nullptr, false)
                                   : StateJson(StateJson::value_t::discarded);
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    Watch& watch = watches_[i];
    watch.last = i == kSuspicion ? absl::UnixEpoch() : now;
    if (!json.is_object() || !json.contains(kMatters[i]) || !json[kMatters[i]].is_object()) {
      continue;
    }
    const StateJson& own = json[kMatters[i]];
    watch.last = std::min(now, TimeIn(own, "last_ms", watch.last));
    if (own.contains("what") && own["what"].is_string()) {
      watch.what = own["what"].get<std::string>().substr(0, kWhatBytes);
    }
    watch.told_about = TimeIn(own, "told_about_ms", watch.last);
    if (!own.contains("told") || !own["told"].is_array()) continue;
    for (const StateJson& name : own["told"]) {
      if (name.is_string()) watch.told[name.get<std::string>()] = true;
    }
  }
  saved_at_ = now;
}

void DeadMan::SaveState() {
  StateJson json = StateJson::object();
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    StateJson told = StateJson::array();
    for (const auto& [name, is_told] : watches_[i].told) {
      if (is_told) told.push_back(name);
    }
    json[kMatters[i]] = {
        {"last_ms", static_cast<std::uint64_t>(absl::ToUnixMillis(watches_[i].last))},
        {"told_about_ms", static_cast<std::uint64_t>(std::max<std::int64_t>(
                              0, absl::ToUnixMillis(watches_[i].told_about)))},
        {"what", watches_[i].what},
        {"told", std::move(told)}};
  }
  const std::string text = json.dump(-1, ' ', false, StateJson::error_handler_t::replace) + "\n";
  const absl::Status status = options_.env.fs.WriteAtomically(options_.state_path, text);
  if (!status.ok()) log::Failure(status);
  saved_at_ = options_.env.clock.Now();
}

void DeadMan::Reached() {
  std::lock_guard lock(mutex_);
  reached_ = true;
  watches_[kContact].last = options_.env.clock.Now();
}

void DeadMan::Lost() {
  std::lock_guard lock(mutex_);
  if (reached_) watches_[kContact].last = options_.env.clock.Now();
  reached_ = false;
}

void DeadMan::BackupSucceeded() {
  std::lock_guard lock(mutex_);
  watches_[kBackup].last = options_.env.clock.Now();
  SaveState();
}

void DeadMan::Suspect(std::string what) {
  log::Warn("suspicious: {}", Escaped(what, kWhatBytes));
  std::lock_guard lock(mutex_);
  watches_[kSuspicion].last = options_.env.clock.Now();
  watches_[kSuspicion].what = what.substr(0, kWhatBytes);
  SaveState();
}

bool DeadMan::IsDue(Matter matter, absl::Time now) const {
  const absl::Duration since = now - watches_[matter].last;
  switch (matter) {
    case kContact:
      return since > options_.config.unreachable;
    case kBackup:
      return since > options_.config.no_backup;
    case kSuspicion:
      break;
  }
  return since < kSuspicionLasts;
}

notify::Message DeadMan::MessageOn(Matter matter, const Watch& watch, Action action) const {
  const absl::Time since = action == Action::kTrigger ? watch.last : watch.told_about;
  notify::Message message;
  message.id = "msg_" + ToHex(options_.env.rng.Draw(12));
  message.dedup_key =
      fmt::format("agent/{}/{}/{}", options_.agent, kMatters[matter], absl::ToUnixSeconds(since));
  message.action = action;
  message.severity = notify::Severity::kCritical;
  message.subject = options_.agent;
  message.text = "Said by the agent itself.";
  switch (matter) {
    case kContact:
      message.kind = "controller-unreachable";
      message.title = fmt::format("agent '{}' has not reached its controller since {}",
                                  options_.agent, Utc(since));
      message.hint = "Look at the controller and at the network; the agent's log says why.";
      break;
    case kBackup:
      message.kind = "no-backup";
      message.title =
          fmt::format("nothing on '{}' has been backed up since {}", options_.agent, Utc(since));
      message.hint = "Look at 'holdfast status' on the controller's host.";
      break;
    case kSuspicion:
      message.kind = "controller-suspicious";
      message.title = fmt::format("the controller of agent '{}' did what it should not on {}",
                                  options_.agent, Utc(since));
      message.text += " " + Escaped(watch.what, kWhatBytes);
      message.hint =
          "Somebody's slip, a damaged store, or a controller in foreign hands: find out.";
      break;
  }
  message.at = since;
  message.origin = "agent " + options_.agent;
  return message;
}

void DeadMan::Look(std::stop_token stop) {
  {
    std::lock_guard lock(mutex_);
    const absl::Time now = options_.env.clock.Now();
    if (reached_) watches_[kContact].last = now;
    if (now - saved_at_ >= kSaveEvery) SaveState();
  }
  for (const Matter matter : {kContact, kBackup, kSuspicion}) {
    if (matter == kBackup && !options_.has_sources) continue;
    for (const auto& channel : options_.channels) TellWhatIsDue(matter, *channel, stop);
  }
}

void DeadMan::TellWhatIsDue(Matter matter, notify::Channel& channel, std::stop_token stop) {
  notify::Message message;
  {
    std::lock_guard lock(mutex_);
    Watch& watch = watches_[matter];
    const absl::Time now = options_.env.clock.Now();
    const bool overdue = IsDue(matter, now);
    Attempt& attempt = watch.attempts[channel.name()];
    if (overdue == watch.told[channel.name()]) {
      attempt = {};
      return;
    }
    if (now < attempt.next) return;
    if (attempt.count++ == 0) attempt.first = now;
    if (overdue) watch.told_about = watch.last;
    message = MessageOn(matter, watch, overdue ? Action::kTrigger : Action::kResolve);
    if (attempt.count == 1 && overdue) log::Warn("alert: {}", message.title);
  }
  const Delivery delivery = channel.Deliver(message, stop);
  std::lock_guard lock(mutex_);
  Watch& watch = watches_[matter];
  Attempt& attempt = watch.attempts[channel.name()];
  const absl::Time now = options_.env.clock.Now();
  const bool resolves = message.action == Action::kResolve;
  const bool too_late = now - attempt.first >= notify::kGiveUpAfter;
  if (delivery.kind == Delivery::Kind::kDelivered || (resolves && too_late)) {
    watch.told[channel.name()] = !resolves;
    attempt = {};
    SaveState();
    return;
  }
  log::Warn("channel '{}' did not take an alert: {}", channel.name(), delivery.cause);
  // Nobody else may say it: what was refused is tried again too, once an hour.
  attempt.next =
      now + (delivery.kind == Delivery::Kind::kRefused
                 ? absl::Hours(1)
                 : notify::RetryDelay(attempt.count, delivery.retry_after, options_.env.rng));
}

}  // namespace holdfast::daemon
