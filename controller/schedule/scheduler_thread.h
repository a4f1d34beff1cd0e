// Looks at all schedules once a second.
//
// Hides:      the thread. Nothing waits for a time of the calendar: the waiting goes by the running
//             clock, the calendar is looked at anew each time, so no clock that is set and no sleep
//             of the machine can make it late or early by more than a second.
// Invariants: the destructor waits for the look that is under way; trouble is logged once, not each
//             second.
// Threading:  one thread of its own.
#pragma once

#include <thread>

#include "controller/schedule/scheduler.h"

namespace holdfast::schedule {

class SchedulerThread {
 public:
  SchedulerThread(Clock& clock, Scheduler& scheduler);

 private:
  void Work(std::stop_token stop);

  Clock& clock_;
  Scheduler& scheduler_;
  std::jthread thread_;
};

}  // namespace holdfast::schedule
