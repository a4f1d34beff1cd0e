#include "common/env/clock.h"

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>

#include "absl/time/clock.h"

namespace holdfast {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }

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
