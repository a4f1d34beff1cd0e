// Tells systemd's watchdog that this daemon still works (sd_watchdog_enabled(3)).
//
// Invariants: I1  Without WATCHDOG_USEC in the environment, or when it is meant for another
//                 process, nothing happens.
//             I2  A ping is sent only after `probe` returned: a daemon in which a lock is stuck
//                 stays silent and is started anew.
// Threading:  one thread of its own; `probe` runs on it.
#pragma once

#include <functional>
#include <optional>
#include <thread>

#include "common/env/clock.h"

namespace holdfast {

// How often to ping: half of what systemd waits for. nullopt: nobody waits.
std::optional<absl::Duration> WatchdogInterval();

class Watchdog {
 public:
  Watchdog(Clock& clock, std::function<void()> probe);
  void Stop();  // `probe` does not run any more afterwards

 private:
  std::jthread thread_;
};

}  // namespace holdfast
