// The controller, as the operator's commands see it: services Operator and Restore.
//
// Hides:      the transport. There are two: gRPC over the local socket, and the fake of the tests.
// Invariants: a call that returned an error changed nothing here; whether the controller acted is
//             unknown after kUnreachable only.
// Threading:  the calls of ChunkFetcher from any thread; all others from one thread at a time.
// Errors:     the controller's own, with kind, code and hint; kUnreachable when it does not answer.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/snapshot/opener.h"
#include "controller/cli/operator_values.h"
#include "controller/cli/sealed_messages.h"

namespace holdfast::cli {

class OperatorClient {
 public:
  virtual ~OperatorClient() = default;

  virtual absl::StatusOr<Installation> GetInstallation() = 0;
  struct InitializeRequest {
    PublicKey owner;
    Bytes recipients;  // first owner-signed list
  };
  virtual absl::StatusOr<Installation> Initialize(const InitializeRequest& request) = 0;

  struct JoinTokenRequest {
    Bytes token_id;
    Hash256 secret_hash;
    std::string agent_name;
    std::uint64_t lifetime_seconds = 0;
  };
  // When the token expires, Unix milliseconds.
  virtual absl::StatusOr<std::uint64_t> CreateJoinToken(const JoinTokenRequest& request) = 0;
  enum class RemovedAgents { kLeaveOut, kInclude };
  virtual absl::StatusOr<std::vector<AgentInfo>> ListAgents(RemovedAgents removed) = 0;
  virtual absl::Status RemoveAgent(const std::string& name) = 0;

  virtual absl::StatusOr<StatusReport> Status() = 0;

  enum class ScrubScope { kRestOfRound, kAll };
  // As long as it takes; Cancelled when `stop` was requested.
  virtual absl::StatusOr<ScrubReport> Scrub(
      ScrubScope scope, absl::FunctionRef<void(const ScrubProgress&)> on_progress,
      std::stop_token stop) = 0;

  virtual absl::StatusOr<std::vector<StartedJob>> StartBackup(
      const std::vector<SourceId>& sources) = 0;
  virtual absl::StatusOr<std::vector<StartedJob>> StartRestore(const JobTarget& target,
                                                               const RestoreOptions& options) = 0;
  virtual absl::StatusOr<std::vector<StartedJob>> StartVerify(const JobTarget& target,
                                                              std::uint32_t sample_percent) = 0;
  virtual absl::Status CancelJob(ByteView job_id) = 0;
  // Events from now on, until every job has a result (OK), the watch is lost (kUnreachable), or
  // `stop` was requested (Cancelled).
  virtual absl::Status WatchJobs(const std::vector<Bytes>& job_ids,
                                 absl::FunctionRef<void(const JobEvent&)> on_event,
                                 std::stop_token stop) = 0;

  virtual absl::StatusOr<Retention> GetRetention(const SourceId& source) = 0;
  // Without a policy: back to the default of its kind.
  virtual absl::StatusOr<Retention> SetRetention(const SourceId& source,
                                                 const std::optional<RetentionPolicy>& policy) = 0;
  virtual absl::Status ConfirmRetention(const SourceId& source, std::uint64_t removals) = 0;
  // All or none; until when they can be undeleted.
  virtual absl::StatusOr<std::uint64_t> Forget(const SourceId& source,
                                               const std::vector<std::uint64_t>& seqs) = 0;
  virtual absl::Status Undelete(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::StatusOr<std::vector<TrashedSnapshot>> ListTrash() = 0;
  struct CollectRequest {
    bool dry_run = false;
    bool accept_clock = false;
  };
  virtual absl::StatusOr<Collected> Collect(const CollectRequest& request) = 0;

  struct ScheduleQuery {
    std::vector<SourceId> sources;  // none: all
    std::uint32_t runs_ahead = 1;
  };
  virtual absl::StatusOr<std::vector<SourceSchedule>> ListSchedules(const ScheduleQuery& query) = 0;
  virtual absl::Status SetSchedule(const ScheduleChange& change) = 0;
  enum class PauseVerb { kPause, kResume };
  virtual absl::Status PauseSchedules(const std::vector<SourceId>& sources, PauseVerb verb,
                                      const std::string& by) = 0;
  virtual absl::StatusOr<ObjectiveReport> ListObjectives() = 0;
  virtual absl::Status SetObjective(const ObjectiveChange& change) = 0;

  virtual absl::StatusOr<std::vector<AgentQuota>> ListQuotas() = 0;
  virtual absl::Status SetQuota(const QuotaChange& change) = 0;

  struct AlertQuery {
    bool all = false;  // also those that are over
    std::uint32_t limit = 0;
  };
  virtual absl::StatusOr<AlertList> ListAlerts(const AlertQuery& query) = 0;
  // Channel empty: all. Waits for the first attempts.
  virtual absl::StatusOr<std::vector<AlertDelivery>> TestAlerts(const std::string& channel) = 0;
  virtual absl::StatusOr<AlertInfo> AcknowledgeAlert(std::int64_t id, const std::string& by) = 0;
  struct SilenceRequest {
    std::string subject;  // "*": everything
    std::uint64_t seconds = 0;
    std::string by;
    std::string reason;
  };
  virtual absl::StatusOr<SilenceInfo> SilenceAlerts(const SilenceRequest& request) = 0;
  virtual absl::Status EndSilence(std::int64_t id) = 0;
  virtual absl::StatusOr<ContactList> ListContacts() = 0;
  virtual absl::StatusOr<AuditList> ListAudit(std::uint32_t limit) = 0;

  struct SnapshotQuery {
    std::optional<SourceId> source;  // empty: all
    std::uint32_t limit = 0;         // newest first, per source; 0 = the controller's 1,000
  };
  virtual absl::StatusOr<std::vector<SnapshotSummary>> ListSnapshots(
      const SnapshotQuery& query) = 0;
  virtual absl::StatusOr<SnapshotDocuments> GetSnapshot(const SourceId& source,
                                                        std::uint64_t seq) = 0;
  // Sealed chunks and envelopes; may outlive this client.
  virtual std::shared_ptr<ChunkFetcher> Fetcher() = 0;
};

// Does not connect yet: the first call does.
std::shared_ptr<OperatorClient> OpenOperatorClient(const std::string& socket_path,
                                                   OperatorKeys keys);

}  // namespace holdfast::cli
