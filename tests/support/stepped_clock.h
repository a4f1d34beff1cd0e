// A clock for a thread that sleeps between its looks: a sleep ends when the test lets it.
//
// A sleep that is let end moves the time on by its length.
// Threading:  one thread sleeps, another one tests.
#pragma once

#include <condition_variable>
#include <mutex>

#include "common/env/clock.h"

namespace holdfast::test {

class SteppedClock final : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1'800'000'000) + Monotonic(); }
  absl::Duration Monotonic() override {
    std::lock_guard lock(mutex_);
    return passed_;
  }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    asleep_ = true;
    changed_.notify_all();
    if (!changed_.wait(lock, stop, [this] { return sleeps_ > 0; })) return false;
    asleep_ = false;
    --sleeps_;
    passed_ += duration;
    return !stop.stop_requested();
  }

  // Lets `count` sleeps end; returns when the thread sleeps again after the last of them.
  void Pass(int count) {
    std::unique_lock lock(mutex_);
    sleeps_ += count;
    changed_.notify_all();
    changed_.wait(lock, [this] { return asleep_ && sleeps_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool asleep_ = false;
  int sleeps_ = 0;
  absl::Duration passed_;
};

}  // namespace holdfast::test
