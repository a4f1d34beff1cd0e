// The scheduler's second, third and fourth attempts at a run that failed.
#include <algorithm>

#include "common/base/error.h"
#include "common/log/log.h"
#include "controller/schedule/retry.h"
#include "controller/schedule/scheduler.h"
#include "controller/schedule/times.h"

namespace holdfast::schedule {

// A clock that was set meanwhile cannot make the wait longer than it was planned.
void Scheduler::FollowRetry(Entry* entry) {
  entry->retry_due.reset();
  if (entry->row.retry_at_ms == 0) return;
  const std::uint64_t number = std::clamp<std::uint64_t>(entry->row.retries, 1, kMostRetries);
  const absl::Duration left = FromMillis(entry->row.retry_at_ms) - env_.clock.Now();
  entry->retry_due =
      env_.clock.Monotonic() + std::clamp(left, absl::ZeroDuration(), RetryDelay(number));
}

void Scheduler::ForgetRetry(catalog::ScheduleRow* row) {
  row->retries = 0;
  row->retry_at_ms = 0;
}

void Scheduler::PlanRetry(const SourceId& source, catalog::ScheduleRow* row) {
  const auto known = catalog_.GetSource(source);
  const std::string name = known.ok() ? Escaped(known->name) : source.hex();
  if (row->retries >= kMostRetries || row->paused_at_ms != 0) {
    log::Warn("the run of source '{}' failed: it is not tried again before its next time", name);
    ForgetRetry(row);
    return;
  }
  ++row->retries;
  const absl::Duration delay = RetryDelay(row->retries);
  row->retry_at_ms = ToMillis(env_.clock.Now() + delay);
  log::Warn("the run of source '{}' failed: it is tried again in {} minutes ({} of {})", name,
            absl::ToInt64Minutes(delay), row->retries, kMostRetries);
}

absl::Status Scheduler::RetryIfDue(const catalog::SourceRow& source, Entry* entry) {
  if (!entry->retry_due || env_.clock.Monotonic() < *entry->retry_due) return absl::OkStatus();
  // A run by hand: when it makes a snapshot, this one is not needed any more.
  if (runs_.StateOf(source.id).kind != RunState::Kind::kIdle) return absl::OkStatus();
  catalog::ScheduleRow row = entry->row;
  row.retry_at_ms = 0;
  return Claim(source, entry, row, Cause::kRetry);
}

}  // namespace holdfast::schedule
