// Time, as a seam: wall clock, monotonic clock and interruptible sleep.
//
// Threading: every method from any thread.
#pragma once

#include <stop_token>

#include "absl/time/time.h"

namespace holdfast {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;            // UTC wall time; may jump
  virtual absl::Duration Monotonic() = 0;  // since an arbitrary start; never goes back
  // Returns early, with false, when `stop` is requested.
  virtual bool SleepFor(absl::Duration duration, std::stop_token stop) = 0;
};

Clock& RealClock();

}  // namespace holdfast
