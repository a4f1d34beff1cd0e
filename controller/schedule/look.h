// One look at the calendar of one source: is a run due, and when is the next.
//
// Hides:      the arithmetic of missed times and of clocks that were set.
// Invariants: I1  A time of the calendar that passed gives one run, however many passed with it:
//                 the others are counted.
//             I2  A time that has not come is worked out anew at every look, so a clock that is set
//                 back, another plan or new time zone data act at once. Only a time that has come
//                 is remembered.
//             I3  A clock that is set back by at most kSameTime does not repeat the time that was
//                 handled last.
// Threading:  pure functions.
#pragma once

#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "controller/schedule/schedule_config.h"

namespace holdfast::schedule {

inline constexpr absl::Duration kSameTime = absl::Hours(1);

struct Standing {
  absl::Time due = absl::InfinitePast();      // none: not worked out yet
  absl::Time handled = absl::InfinitePast();  // the time of the calendar that was handled last
};

struct Look {
  bool fire = false;
  absl::Time handled;        // fire: the time for which the run is
  std::uint64_t passed = 0;  // fire: times before it that go without a run
  absl::Time due;            // what is due next
};

Look LookAt(const Plan& plan, absl::Duration offset, const Standing& standing, absl::Time now);

// How much later than the calendar says the runs of this source begin: 0 to `jitter`, in seconds,
// always the same.
absl::Duration OffsetOf(const SourceId& source, absl::Duration jitter);

}  // namespace holdfast::schedule
