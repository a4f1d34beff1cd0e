// Whether an objective is met: the arithmetic alone.
//
// Invariants: I1  The age counts from the newest point that can be restored; without one, from when
//                 the source was first seen.
//             I2  Late is not broken: a run takes its time, so an age up to 1/24 above the
//                 objective (an hour for a day) is a run that is due or under way.
//             I3  An RTO is broken only by a restore that was measured. Before there is one the
//                 estimate rests on an assumed speed and can only raise doubt.
// Threading:  pure functions.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "controller/catalog/planning.h"

namespace holdfast::objective {

enum class State { kMet, kLate, kBroken };

State JudgeAge(absl::Duration age, absl::Duration rpo);

struct RestoreEstimate {
  absl::Duration time;
  bool measured = false;
};
inline constexpr double kAssumedBytesPerSecond = 20.0 * (1 << 20);
inline constexpr absl::Duration kAssumedStart = absl::Minutes(1);
// Of `bytes`, from a restore of the same source. One of much less than these says little, and is
// not used: below a tenth of the size and below 64 MiB.
RestoreEstimate EstimateRestore(std::uint64_t bytes,
                                const std::optional<catalog::RestoreMeasure>& measure);

}  // namespace holdfast::objective
