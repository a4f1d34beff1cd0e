#include "controller/daemon/scheduled_runs.h"

#include "common/base/error.h"
#include "proto/control.pb.h"

namespace holdfast::daemon {
namespace {

v1::Job BackupJob(const catalog::SourceRow& source, const Bytes& run_id) {
  v1::Job job;
  job.set_job_id(run_id);
  job.set_kind(v1::JOB_KIND_BACKUP);
  job.set_source_id(source.id.bytes());
  return job;
}

}  // namespace

absl::StatusOr<schedule::BackupRuns::Started> ScheduledRuns::Start(const catalog::SourceRow& source,
                                                                   const Bytes& run_id) {
  const absl::Status status = board_.StartWhenConnected(source.agent, BackupJob(source, run_id));
  if (KindOf(status) == ErrorKind::kConflict) return Started::kBusy;
  RETURN_IF_ERROR(status);
  const auto active = board_.BackupOf(source.id);
  return active && !active->sent ? Started::kWaiting : Started::kStarted;
}

absl::Status ScheduledRuns::Expect(const catalog::SourceRow& source, const Bytes& run_id) {
  return board_.StartWhenConnected(source.agent, BackupJob(source, run_id));
}

schedule::RunState ScheduledRuns::StateOf(const SourceId& source) {
  using Kind = schedule::RunState::Kind;
  const auto active = board_.BackupOf(source);
  if (!active) return {Kind::kIdle, {}};
  return {active->sent ? Kind::kRunning : Kind::kWaiting, active->sent_at};
}

}  // namespace holdfast::daemon
