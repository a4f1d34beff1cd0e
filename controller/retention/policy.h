// Which snapshots of one source a policy keeps, and why.
//
// Hides:      the rules' arithmetic.
// Invariants: I1  The newest snapshot is kept, and the newest `verified` ones that were verified.
//             I2  A snapshot is kept when any rule wants it; rules never remove.
//             I3  Only the controller's times count (when a snapshot was committed); what an agent
//                 says about time does not come in here.
//             I4  A policy that keeps nothing of its own accord is not a policy: refused.
// Threading:  values and pure functions.
// Errors:     kUsage 5081 (a policy that cannot be read, or keeps nothing).
//
// hourly=24: of each of the newest 24 hours that have a snapshot, the newest one. Days, ISO weeks
// (from Monday), months and years likewise, in UTC. last=N: the newest N. within=D: all younger
// than D.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast::retention {

struct Policy {
  absl::Duration within;
  std::uint32_t last = 0;
  std::uint32_t hourly = 0;
  std::uint32_t daily = 0;
  std::uint32_t weekly = 0;
  std::uint32_t monthly = 0;
  std::uint32_t yearly = 0;
  std::uint32_t verified = 1;
};

struct Snapshot {
  std::uint64_t seq = 0;
  absl::Time committed_at;
  bool verified = false;
  std::uint64_t content_bytes = 0;
};

struct Verdict {
  std::uint64_t seq = 0;
  bool keep = true;
  std::string reason;  // "newest; day 3 of 7", "no rule keeps it"
};

// Databases and Redis: 7 days; files: 30 days. Everything of that time, and a day each of the
// newest 7 (30) days with a backup, so that a pause in backups expires nothing.
Policy DefaultPolicy(std::string_view kind);

// "within=7d last=3 hourly=24 daily=7 weekly=4 monthly=12 yearly=5 verified=1", parts in any order,
// zero ones left out.
absl::StatusOr<Policy> ParsePolicy(std::string_view text);
std::string PolicyText(const Policy& policy);
absl::Status CheckPolicy(const Policy& policy);  // I4

// In any order; verdicts newest first.
std::vector<Verdict> Judge(const Policy& policy, std::vector<Snapshot> snapshots, absl::Time now);

// Why nothing of this source may expire by itself now; empty: nothing speaks against it. An
// operator who has looked can confirm it.
//   the newest snapshot is less than half as large as the one before: it may be the damage
//   more than half of the snapshots, and more than 5, would go at once: the policy or the clock
std::string Doubt(const std::vector<Snapshot>& snapshots, const std::vector<Verdict>& verdicts);

// The clock: nothing expires when it stands far from where it stood when last looked at.
inline constexpr absl::Duration kClockLeap = absl::Hours(72);
bool ClockLeapt(absl::Time seen_last, absl::Time now);  // also: went back by more than an hour

}  // namespace holdfast::retention
