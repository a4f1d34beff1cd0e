#include "common/env/serve.h"

#include <csignal>

#include "common/env/service.h"
#include "common/env/watchdog.h"

namespace holdfast {

void ServeUntilTerminated(Clock& clock, std::function<void()> probe,
                          const std::function<void()>& reload) {
  NotifySystemd("READY=1");
  Watchdog watchdog(clock, std::move(probe));
  while (WaitForTermination() == SIGHUP) {
    NotifyReloading();
    reload();
    NotifySystemd("READY=1");
  }
  NotifySystemd("STOPPING=1");
  watchdog.Stop();
}

}  // namespace holdfast
