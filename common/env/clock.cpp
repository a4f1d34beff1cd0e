#include "common/env/clock.h"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>

namespace holdfast {
namespace {

class SystemClock final : public Clock {
 public:
  // Not absl::Now(), which may count cycles since it last asked (Debian's does), and so goes on at
  // the old speed, then back, when the clock was set or the machine slept.
  absl::Time Now() override {
    timespec value{};
    clock_gettime(CLOCK_REALTIME, &value);
    return absl::TimeFromTimespec(value);
  }

  absl::Duration Monotonic() override {
    timespec value{};
    clock_gettime(CLOCK_BOOTTIME, &value);
    return absl::DurationFromTimespec(value);
  }

  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& RealClock() {
  static SystemClock clock;
  return clock;
}

}  // namespace holdfast
