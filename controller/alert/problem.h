// Something that is wrong, as a rule or an event names it.
//
// Invariants: `key` is the same as long as it is the same problem; `title` does not change while
//             nothing changes (no ages in it), so that nothing is written then.
// Threading:  values.
#pragma once

#include <string>
#include <string_view>

#include "common/notify/message.h"

namespace holdfast::alert {

// The kinds, as they stand in keys, lists and messages.
inline constexpr std::string_view kNoSuccess = "no-success";
inline constexpr std::string_view kFailure = "failure";
inline constexpr std::string_view kStorm = "failures";  // of several sources at once
inline constexpr std::string_view kMissed = "missed";
inline constexpr std::string_view kObjective = "objective";
inline constexpr std::string_view kDamage = "damage";
inline constexpr std::string_view kAnomaly = "anomaly";
inline constexpr std::string_view kExpiryPaused = "expiry-paused";
inline constexpr std::string_view kAgentSilent = "agent-silent";
inline constexpr std::string_view kCertificate = "certificate";
inline constexpr std::string_view kDisk = "disk";
inline constexpr std::string_view kStore = "store";
inline constexpr std::string_view kReload = "reload";
inline constexpr std::string_view kChannel = "channel";
inline constexpr std::string_view kHeartbeat = "heartbeat";

struct Problem {
  std::string key;
  std::string_view kind;
  std::string subject;
  notify::Severity severity = notify::Severity::kError;
  std::string title;
  std::string detail;
  std::string hint;
  // May come again within moments: the message waits for a pause, for five minutes at most, and
  // then tells how often.
  bool in_bursts = false;
};

inline std::string KeyOf(std::string_view kind, std::string_view what) {
  return std::string(kind) + "/" + std::string(what);
}

}  // namespace holdfast::alert
