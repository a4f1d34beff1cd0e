#include "agent/source/postgres/time_limit.h"

#include "common/base/error.h"
#include "common/concurrency/start_thread.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::source {

TimeLimit::TimeLimit(Clock& clock, absl::Duration limit, std::stop_token outer)
    : clock_(clock), limit_(limit), forward_(std::move(outer), [this] { stop_.request_stop(); }) {
  watched_ = StartThread(&watch_, [this](const std::stop_token& done) { Watch(done); });
  if (!watched_.ok()) stop_.request_stop();
}

void TimeLimit::Watch(std::stop_token done) {
  if (!clock_.SleepFor(limit_ / 2, done)) return;
  half_is_used_ = true;
  log::Warn("a backup of PostgreSQL has used half of the {} it may keep a snapshot open",
            absl::FormatDuration(limit_));
  if (!clock_.SleepFor(limit_ - limit_ / 2, done)) return;
  over_ = true;
  stop_.request_stop();
}

absl::Status TimeLimit::Check() const {
  RETURN_IF_ERROR(watched_);
  if (!over_) return absl::OkStatus();
  return Error(ErrorKind::kSource, 2113,
               fmt::format("unable to finish within {}: the backup holds a snapshot that keeps "
                           "VACUUM from cleaning up",
                           absl::FormatDuration(limit_)),
               "Raise max_duration, add workers, or back up from a standby.");
}

absl::Status TimeLimit::Explain(absl::Status status) const {
  if (status.ok()) return status;
  const absl::Status why = Check();
  return why.ok() ? status : why;
}

}  // namespace holdfast::source
