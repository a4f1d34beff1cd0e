// When a scheduled run that failed is tried again.
//
// Hides:      which failures pass by themselves.
// Invariants: I1  A cause that waits for somebody (a configuration, a right, a refusal, damage) is
//                 not tried again before the calendar says so: a retry would fail as the run did.
//             I2  At most kMostRetries for one time of the calendar, ever later.
// Threading:  pure functions.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace holdfast::schedule {

inline constexpr std::uint64_t kMostRetries = 3;

// From the failure to the retry of this number, from 1: 5, 10, 20 minutes.
absl::Duration RetryDelay(std::uint64_t number);

// By the exit code of the run.
bool MayPass(std::uint32_t exit_code);

}  // namespace holdfast::schedule
