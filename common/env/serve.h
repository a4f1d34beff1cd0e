// A daemon between its start and its end, as systemd sees it (sd_notify(3), Type=notify-reload).
// Threading: on the main thread, after BlockTerminationSignals.
#pragma once

#include <functional>

#include "common/env/clock.h"

namespace holdfast {

// READY; then until SIGTERM or SIGINT: every SIGHUP calls `reload` between RELOADING and READY, and
// `probe` runs for the watchdog. STOPPING at the end; neither of the two runs any more afterwards.
void ServeUntilTerminated(Clock& clock, std::function<void()> probe,
                          const std::function<void()>& reload);

}  // namespace holdfast
