// A controller in memory, behind the CLI's own client interface, and a maker of real sealed
// snapshots to put into it.
#pragma once

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/format/manifest.h"
#include "common/format/object.h"
#include "controller/cli/operator_client.h"
#include "tests/unit/controller/cli/fake_fetcher.h"

namespace holdfast::cli::test {

class FakeClient final : public OperatorClient {
 public:
  FakeClient() {
    installation.controller_id = Bytes(16, '\x01');
    installation.ca_fingerprint = Bytes(32, '\x02');
    installation.enrollment_address = "backup-1.example.org:8443";
    installation.agent_address = "backup-1.example.org:9443";
    installation.software_version = "0.1.0";
  }

  absl::StatusOr<Installation> GetInstallation() override {
    if (!reachable) return Away();
    return installation;
  }
  absl::StatusOr<Installation> Initialize(const InitializeRequest& request) override {
    if (!initialize_error.ok() && !accept_before_error) return initialize_error;
    if (installation.initialized) return Error(ErrorKind::kConflict, 5003, "there is an owner");
    installation.initialized = true;
    installation.owner_public_key = request.owner.bytes();
    installation.recipients = request.recipients;
    if (!initialize_error.ok()) {
      reachable = reachable_after_error;
      return initialize_error;
    }
    return installation;
  }
  absl::StatusOr<std::uint64_t> CreateJoinToken(const JoinTokenRequest& request) override {
    join_requests.push_back(request);
    return 1'767'752'100'000;
  }
  absl::StatusOr<std::vector<AgentInfo>> ListAgents(RemovedAgents removed) override {
    if (!reachable) return Away();
    std::vector<AgentInfo> result = status.agents;
    if (removed == RemovedAgents::kLeaveOut) {
      std::erase_if(result, [](const AgentInfo& agent) { return agent.removed; });
    }
    return result;
  }
  absl::Status RemoveAgent(const std::string& name) override {
    removed_agents.push_back(name);
    return absl::OkStatus();
  }
  absl::StatusOr<StatusReport> Status() override {
    if (!reachable) return Away();
    StatusReport report = status;
    report.installation = installation;
    return report;
  }
  absl::StatusOr<ScrubReport> Scrub(ScrubScope scope,
                                    absl::FunctionRef<void(const ScrubProgress&)> on_progress,
                                    std::stop_token) override {
    scrubs.push_back(scope);
    on_progress({1, 2, 3, 4});
    return scrub_report;
  }
  absl::StatusOr<std::vector<StartedJob>> StartBackup(
      const std::vector<SourceId>& sources) override {
    std::vector<StartedJob> jobs;
    for (const SourceId& source : sources) {
      jobs.push_back({"job-" + std::to_string(jobs.size() + 1), source, "db-1"});
    }
    backups.push_back(sources);
    return jobs;
  }
  absl::StatusOr<std::vector<StartedJob>> StartRestore(const JobTarget& target,
                                                       const RestoreOptions& options) override {
    restores.emplace_back(target, options);
    return std::vector<StartedJob>{{"job-1", target.source_id, target.agent_name}};
  }
  absl::StatusOr<std::vector<StartedJob>> StartVerify(const JobTarget& target,
                                                      std::uint32_t sample_percent) override {
    verifies.emplace_back(target, sample_percent);
    return std::vector<StartedJob>{{"job-1", target.source_id, target.agent_name}};
  }
  absl::Status CancelJob(ByteView job_id) override {
    cancelled.emplace_back(job_id);
    return absl::OkStatus();
  }
  absl::Status WatchJobs(const std::vector<Bytes>& job_ids,
                         absl::FunctionRef<void(const JobEvent&)> on_event,
                         std::stop_token stop) override {
    watched.push_back(job_ids);
    if (watches.empty()) return Away();
    auto watch = std::move(watches.front());
    watches.erase(watches.begin());
    for (const JobEvent& event : watch.events) on_event(event);
    if (watch.then) watch.then();
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    return watch.status;
  }
  absl::StatusOr<Retention> GetRetention(const SourceId& source) override {
    if (!reachable) return Away();
    return retentions[source];
  }
  absl::StatusOr<Retention> SetRetention(const SourceId& source,
                                         const std::optional<RetentionPolicy>& policy) override {
    retentions[source].policy = policy.value_or(RetentionPolicy());
    retentions[source].is_default = !policy;
    return retentions[source];
  }
  absl::Status ConfirmRetention(const SourceId& source, std::uint64_t removals) override {
    confirmations.emplace_back(source, removals);
    return absl::OkStatus();
  }
  absl::StatusOr<std::uint64_t> Forget(const SourceId& source,
                                       const std::vector<std::uint64_t>& seqs) override {
    forgotten.emplace_back(source, seqs);
    return 1'767'752'100'000;
  }
  absl::Status Undelete(const SourceId& source, std::uint64_t seq) override {
    undeleted.emplace_back(source, seq);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<TrashedSnapshot>> ListTrash() override { return trash; }
  absl::StatusOr<Collected> Collect(const CollectRequest& request) override {
    collections.push_back(request);
    return collected;
  }
  absl::StatusOr<std::vector<SourceSchedule>> ListSchedules(const ScheduleQuery& query) override {
    schedule_queries.push_back(query);
    std::vector<SourceSchedule> list;
    for (const SourceSchedule& one : schedules) {
      const bool wanted = query.sources.empty() ||
                          std::find(query.sources.begin(), query.sources.end(), one.source.id) !=
                              query.sources.end();
      if (wanted) list.push_back(one);
    }
    return list;
  }
  absl::Status SetSchedule(const ScheduleChange& change) override {
    if (!schedule_error.ok()) return schedule_error;
    schedule_changes.push_back(change);
    return absl::OkStatus();
  }
  absl::Status PauseSchedules(const std::vector<SourceId>& sources, PauseVerb verb,
                              const std::string&) override {
    pauses.emplace_back(sources, verb);
    return absl::OkStatus();
  }
  absl::StatusOr<ObjectiveReport> ListObjectives() override { return objectives; }
  absl::Status SetObjective(const ObjectiveChange& change) override {
    objective_changes.push_back(change);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<AgentQuota>> ListQuotas() override { return quotas; }
  absl::Status SetQuota(const QuotaChange& change) override {
    if (!quota_error.ok()) return quota_error;
    quota_changes.push_back(change);
    return absl::OkStatus();
  }
  std::vector<AgentQuota> quotas;
  std::vector<QuotaChange> quota_changes;
  absl::Status quota_error;
  std::vector<SourceSchedule> schedules;
  std::vector<ScheduleQuery> schedule_queries;
  std::vector<ScheduleChange> schedule_changes;
  absl::Status schedule_error;
  std::vector<std::pair<std::vector<SourceId>, PauseVerb>> pauses;
  ObjectiveReport objectives;
  std::vector<ObjectiveChange> objective_changes;

  absl::StatusOr<AlertList> ListAlerts(const AlertQuery& query) override {
    if (!reachable) return Away();
    alert_queries.push_back(query);
    return alert_list;
  }
  absl::StatusOr<std::vector<AlertDelivery>> TestAlerts(const std::string& channel) override {
    tested_channels.push_back(channel);
    return test_deliveries;
  }
  absl::StatusOr<AlertInfo> AcknowledgeAlert(std::int64_t id, const std::string& by) override {
    for (AlertInfo& alert : alert_list.alerts) {
      if (alert.id != id) continue;
      alert.state = "acknowledged";
      alert.acknowledged_by = by;
      return alert;
    }
    return Error(ErrorKind::kNotFound, 5500, "no such alert");
  }
  absl::StatusOr<SilenceInfo> SilenceAlerts(const SilenceRequest& request) override {
    silences.push_back(request);
    return SilenceInfo{7, request.subject, 1, 1'767'752'100'000, request.by, request.reason};
  }
  absl::Status EndSilence(std::int64_t id) override {
    ended_silences.push_back(id);
    return absl::OkStatus();
  }
  absl::StatusOr<ContactList> ListContacts() override { return contact_list; }
  absl::StatusOr<AuditList> ListAudit(std::uint32_t limit) override {
    audit_limits.push_back(limit);
    return audit;
  }
  absl::StatusOr<std::vector<SnapshotSummary>> ListSnapshots(const SnapshotQuery& query) override {
    std::vector<SnapshotSummary> result;
    std::map<SourceId, std::uint32_t> counts;
    for (auto one = snapshots.rbegin(); one != snapshots.rend(); ++one) {
      if (query.source && one->source_id != *query.source) continue;
      if (query.limit != 0 && counts[one->source_id]++ >= query.limit) continue;
      result.push_back(*one);
    }
    return result;
  }
  absl::StatusOr<SnapshotDocuments> GetSnapshot(const SourceId& source,
                                                std::uint64_t seq) override {
    const auto found = documents.find({source, seq});
    if (found == documents.end()) return Error(ErrorKind::kNotFound, 5004, "no such snapshot");
    return found->second;
  }
  std::shared_ptr<ChunkFetcher> Fetcher() override { return fetcher; }

  std::map<SourceId, Retention> retentions;
  std::vector<std::pair<SourceId, std::uint64_t>> confirmations;
  std::vector<std::pair<SourceId, std::vector<std::uint64_t>>> forgotten;
  std::vector<std::pair<SourceId, std::uint64_t>> undeleted;
  std::vector<TrashedSnapshot> trash;
  AlertList alert_list;
  std::vector<AlertQuery> alert_queries;
  std::vector<std::string> tested_channels;
  std::vector<AlertDelivery> test_deliveries;
  std::vector<SilenceRequest> silences;
  std::vector<std::int64_t> ended_silences;
  AuditList audit;
  std::vector<std::uint32_t> audit_limits;
  ContactList contact_list;
  std::vector<CollectRequest> collections;
  Collected collected;

  static absl::Status Away() {
    return Error(ErrorKind::kUnreachable, 6058, "unable to reach the controller");
  }

  // Adds a source to the status, and returns its id.
  SourceId AddSource(const std::string& name, const std::string& kind,
                     const std::string& agent = "db-1") {
    SourceStatus one;
    const Hash256 hash = Sha256(agent + "/" + name);
    one.source = {*SourceId::From(hash.view().substr(0, SourceId::kSize)), name, kind};
    one.agent_name = agent;
    one.connected = true;
    status.sources.push_back(one);
    return one.source.id;
  }
  // Adds a snapshot's public facts only, for what never opens it.
  SnapshotSummary& AddSummary(const std::string& source, std::uint64_t seq,
                              std::uint64_t taken_at_ms, const std::string& id_prefix = "") {
    for (SourceStatus& one : status.sources) {
      if (one.source.name != source) continue;
      SnapshotSummary summary;
      summary.source_id = one.source.id;
      summary.source_name = source;
      summary.kind = one.source.kind;
      summary.agent_name = one.agent_name;
      summary.seq = seq;
      std::string hex = Sha256(source + std::to_string(seq)).hex();
      hex.replace(0, id_prefix.size(), id_prefix);
      summary.snapshot_id = *Hash256::FromHexText(hex);
      summary.taken_at_ms = taken_at_ms;
      summary.content_bytes = 1'717'986'918;
      summary.stored_bytes = 3'250'586;
      summary.entry_count = 18;
      one.newest = summary;
      one.snapshot_count++;
      snapshots.push_back(summary);
      return snapshots.back();
    }
    HOLDFAST_CHECK(false);
    return snapshots.back();
  }

  struct Watch {
    std::vector<JobEvent> events;
    absl::Status status;
    std::function<void()> then;
  };

  Installation installation;
  StatusReport status;
  ScrubReport scrub_report;
  std::vector<ScrubScope> scrubs;
  std::vector<SnapshotSummary> snapshots;  // oldest first
  std::map<std::pair<SourceId, std::uint64_t>, SnapshotDocuments> documents;
  std::shared_ptr<FakeFetcher> fetcher = std::make_shared<FakeFetcher>();
  std::vector<Watch> watches;  // what the next calls of WatchJobs give

  bool reachable = true;
  bool reachable_after_error = true;
  bool accept_before_error = false;
  absl::Status initialize_error;

  std::vector<JoinTokenRequest> join_requests;
  std::vector<std::string> removed_agents;
  std::vector<std::vector<SourceId>> backups;
  std::vector<std::pair<JobTarget, RestoreOptions>> restores;
  std::vector<std::pair<JobTarget, std::uint32_t>> verifies;
  std::vector<Bytes> cancelled;
  std::vector<std::vector<Bytes>> watched;
};

}  // namespace holdfast::cli::test
