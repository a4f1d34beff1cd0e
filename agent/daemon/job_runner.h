// Runs the jobs that the controller sends: backups, restores, verifications.
//
// Hides:      threads, progress ticks, reports as JSON, the state of sources.
// Invariants: I1  Every job started gives exactly one result, after it is true.
//             I2  One backup or verification runs at a time, in order, and beside it one restore:
//                 who needs data back does not wait for a backup. So memory is bounded by two
//                 pipelines. Cancel works on waiting and running jobs.
//             I3  A job names sources and targets only; hosts, credentials and allowed places come
//                 from the configuration on this host. A job goes by the configuration with which
//                 it began.
// Threading:  every method from any thread; on_result and on_progress are called from the runner's
//             threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/daemon/agent_config.h"
#include "agent/daemon/agent_state.h"
#include "agent/pipeline/backup_run.h"
#include "agent/restore/restore_report.h"

namespace grpc {
class Channel;
}
namespace holdfast::v1 {
class Job;
class JobDetail;
class JobProgress;
class JobResult;
}  // namespace holdfast::v1

namespace holdfast {
class RateLimit;
}
namespace holdfast::daemon {

class JobRunner {
 public:
  struct Options {
    Env env;
    std::function<std::shared_ptr<const AgentConfig>()> config;  // as it is now: for one job
    const AgentState* state = nullptr;
    std::function<std::shared_ptr<grpc::Channel>()> connect;
    std::function<absl::Status()> diagnose;
    std::function<std::vector<Recipient>()> readers;  // of what is said about a job
    std::function<void(const v1::JobProgress&)> on_progress;
    std::function<void(const v1::JobResult&)> on_result;
    std::function<void()> on_backup;                // one succeeded, perhaps in part
    std::function<void(std::string)> on_suspicion;  // the controller did what it should not
    RateLimit* upload_limit = nullptr;              // outlives the runner
  };
  explicit JobRunner(Options options);
  ~JobRunner();  // cancels what runs

  void Start(const v1::Job& job);
  void Cancel(const Bytes& job_id);
  std::vector<Bytes> Unfinished() const;

 private:
  struct Running;
  // Jobs that run one after the other.
  struct Lane {
    std::deque<std::unique_ptr<v1::Job>> waiting;
    std::jthread worker;
  };
  void Work(Lane& lane, const std::stop_token& stop);
  void Execute(const v1::Job& job, Running& running);
  absl::StatusOr<pipeline::BackupReport> BackupOnce(const v1::Job& job, Running& running,
                                                    const SourceConfig& config);
  absl::StatusOr<pipeline::BackupReport> BackupWithRetries(const v1::Job& job, Running& running,
                                                           const SourceConfig& config);
  absl::StatusOr<pipeline::BackupReport> BackupBetweenHooks(const v1::Job& job, Running& running,
                                                            const SourceConfig& config);
  absl::Status Backup(const v1::Job& job, Running& running, v1::JobDetail* detail);
  absl::Status BrokenClaims(const SourceConfig& config, const pipeline::BackupReport& report);
  absl::Status Restore(const v1::Job& job, Running& running, v1::JobDetail* detail,
                       v1::JobResult* result);
  absl::Status Verify(const v1::Job& job, Running& running, v1::JobDetail* detail);
  const SourceConfig* FindSource(const AgentConfig& config, const SourceId& id) const;
  std::optional<std::uint64_t> ExpectedDevice(const SourceId& id) const;

  const Options options_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::map<Bytes, std::shared_ptr<Running>> unfinished_;
  Lane backups_;  // and verifications
  Lane restores_;
};

}  // namespace holdfast::daemon
