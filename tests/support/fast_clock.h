// The real clock, except that it sleeps a hundredth of what is asked: backoffs in tests are short.
#pragma once

#include "common/env/clock.h"

namespace holdfast::test {

class FastClock final : public Clock {
 public:
  absl::Time Now() override { return RealClock().Now(); }
  absl::Duration Monotonic() override { return RealClock().Monotonic(); }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    return RealClock().SleepFor(duration / 100, stop);
  }
};

}  // namespace holdfast::test
