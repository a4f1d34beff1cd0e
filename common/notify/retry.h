// When a message that was not taken is tried again.
//
// Invariants: 10 s, 20 s, 40 s … up to an hour, each half to once as long; never sooner than the
//             other side asked for, but within six hours; given up 24 h after the first attempt.
// Threading:  pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "common/env/random.h"

namespace holdfast::notify {

inline constexpr absl::Duration kGiveUpAfter = absl::Hours(24);

inline absl::Duration RetryDelay(std::uint64_t attempts, absl::Duration asked_for, Rng& rng) {
  const std::uint64_t doublings = std::min<std::uint64_t>(attempts == 0 ? 0 : attempts - 1, 12);
  const absl::Duration wait =
      std::min(absl::Seconds(10) * static_cast<double>(1 << doublings), absl::Hours(1));
  std::uint16_t random = 0;
  rng.Fill(reinterpret_cast<char*>(&random), sizeof random);
  return std::max(wait * (0.5 + random / 131072.0), std::min(asked_for, absl::Hours(6)));
}

}  // namespace holdfast::notify
