// A clock that stands still until a test sets it on.
#pragma once

#include "common/env/clock.h"

namespace holdfast::test {

class SetClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return running; }
  bool SleepFor(absl::Duration, std::stop_token stop) override { return !stop.stop_requested(); }

  absl::Time now = absl::FromUnixSeconds(1'767'750'000);
  absl::Duration running;
};

}  // namespace holdfast::test
