// The real clock, set forward by tests.
#pragma once

#include <atomic>

#include "common/env/clock.h"

namespace holdfast::test {

class MovedClock final : public Clock {
 public:
  absl::Time Now() override { return RealClock().Now() + moved(); }
  absl::Duration Monotonic() override { return RealClock().Monotonic() + moved(); }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    return RealClock().SleepFor(duration, stop);
  }
  void Move(absl::Duration by) { seconds_ += absl::ToInt64Seconds(by); }

 private:
  absl::Duration moved() const { return absl::Seconds(seconds_.load()); }
  std::atomic<std::int64_t> seconds_{0};
};

}  // namespace holdfast::test
