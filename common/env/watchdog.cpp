#include "common/env/watchdog.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "common/env/service.h"

namespace holdfast {

std::optional<absl::Duration> WatchdogInterval() {
  const char* limit = std::getenv("WATCHDOG_USEC");
  const char* process = std::getenv("WATCHDOG_PID");
  std::int64_t microseconds = 0;
  std::int64_t pid = 0;
  if (limit == nullptr || !absl::SimpleAtoi(limit, &microseconds) || microseconds <= 0) {
    return std::nullopt;
  }
  if (process != nullptr && (!absl::SimpleAtoi(process, &pid) || pid != ::getpid())) {
    return std::nullopt;
  }
  return absl::Microseconds(microseconds) / 2;
}

Watchdog::Watchdog(Clock& clock, std::function<void()> probe) {
  const auto interval = WatchdogInterval();
  if (!interval) return;
  thread_ = std::jthread([&clock, probe = std::move(probe), interval](std::stop_token stop) {
    do {
      probe();
      NotifySystemd("WATCHDOG=1");
    } while (clock.SleepFor(*interval, stop));
  });
}

void Watchdog::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace holdfast
