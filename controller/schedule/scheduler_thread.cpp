#include "controller/schedule/scheduler_thread.h"

#include "common/base/error.h"
#include "common/log/log.h"

namespace holdfast::schedule {

SchedulerThread::SchedulerThread(Clock& clock, Scheduler& scheduler)
    : clock_(clock),
      scheduler_(scheduler),
      thread_([this](std::stop_token stop) { Work(std::move(stop)); }) {}

void SchedulerThread::Work(std::stop_token stop) {
  std::string last_trouble;
  while (clock_.SleepFor(absl::Seconds(1), stop)) {
    const absl::Status status = scheduler_.Tick();
    const std::string trouble = MessageOf(status);
    if (!status.ok() && trouble != last_trouble) log::Failure(status);
    last_trouble = trouble;
  }
}

}  // namespace holdfast::schedule
