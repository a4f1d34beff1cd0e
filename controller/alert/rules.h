// The rules: which problems the state of things shows.
//
// Hides:      thresholds and wording.
// Invariants: the absence of success is a problem by itself, whatever the cause: also when nothing
//             happens at all.
// Threading:  pure functions.
#pragma once

#include <vector>

#include "controller/alert/facts.h"
#include "controller/alert/problem.h"

namespace holdfast::alert {

struct RuleLimits {
  absl::Duration no_success = absl::Hours(25);
  absl::Duration agent_silent = absl::Minutes(15);
  std::uint64_t disk_free_bytes = 5ull << 30;  // a warning below; critical below a fifth
};

std::vector<Problem> Judge(const Facts& facts, const RuleLimits& limits, absl::Time now);

// Problems of these kinds are over when Judge does not name them any more; of the others somebody
// else says so.
bool IsJudged(std::string_view kind);
// Its cause may be gone by the next look (the newest snapshot is no longer the strange one): it
// stays open until somebody has acknowledged it.
bool NeedsAcknowledgement(std::string_view kind);

}  // namespace holdfast::alert
