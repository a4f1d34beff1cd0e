#include <grpcpp/grpcpp.h>

#include <chrono>

#include "common/base/error.h"
#include "common/report/messages/convert.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "controller/cli/grpc_fetcher.h"
#include "controller/cli/operator_client.h"
#include "fmt/format.h"
#include "proto/operator.grpc.pb.h"
#include "proto/restore.grpc.pb.h"

namespace holdfast::cli {
namespace {

constexpr auto kCallDeadline = std::chrono::seconds(60);
constexpr auto kCollectDeadline = std::chrono::hours(24);

class GrpcOperatorClient final : public OperatorClient {
 public:
  GrpcOperatorClient(std::shared_ptr<grpc::Channel> channel, std::string socket, OperatorKeys keys)
      : keys_(std::move(keys)),
        channel_(std::move(channel)),
        operator_(v1::Operator::NewStub(channel_)),
        restore_(v1::Restore::NewStub(channel_)),
        socket_(std::move(socket)) {}

  absl::StatusOr<Installation> GetInstallation() override {
    v1::Installation reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::GetInstallation,
                         v1::GetInstallationRequest(), &reply));
    return FromProto(reply);
  }

  absl::StatusOr<Installation> Initialize(const InitializeRequest& in) override {
    v1::InitializeRequest request;
    request.set_owner_public_key(in.owner.bytes());
    request.set_recipients(in.recipients);
    v1::Installation reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::Initialize, request, &reply));
    return FromProto(reply);
  }

  absl::StatusOr<std::uint64_t> CreateJoinToken(const JoinTokenRequest& in) override {
    v1::CreateJoinTokenRequest request;
    request.set_token_id(in.token_id);
    request.set_secret_hash(in.secret_hash.bytes());
    request.set_agent_name(in.agent_name);
    request.set_lifetime_seconds(in.lifetime_seconds);
    v1::CreateJoinTokenReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::CreateJoinToken, request, &reply));
    return reply.expires_at_ms();
  }

  absl::StatusOr<std::vector<AgentInfo>> ListAgents(RemovedAgents removed) override {
    v1::ListAgentsRequest request;
    request.set_include_removed(removed == RemovedAgents::kInclude);
    v1::ListAgentsReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::ListAgents, request, &reply));
    std::vector<AgentInfo> agents;
    for (const v1::AgentInfo& agent : reply.agents()) agents.push_back(FromProto(agent));
    return agents;
  }

  absl::Status RemoveAgent(const std::string& name) override {
    v1::RemoveAgentRequest request;
    request.set_name(name);
    v1::RemoveAgentReply reply;
    return Call(*operator_, &v1::Operator::Stub::RemoveAgent, request, &reply);
  }

  absl::StatusOr<StatusReport> Status() override {
    v1::StatusReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::Status, v1::StatusRequest(), &reply));
    StatusReport report = FromProto(reply);
    for (const v1::SourceStatus& source : reply.sources()) {
      report.sources.push_back(OpenStatus(keys_, source));
    }
    return report;
  }

  absl::StatusOr<ScrubReport> Scrub(ScrubScope scope,
                                    absl::FunctionRef<void(const ScrubProgress&)> on_progress,
                                    std::stop_token stop) override {
    v1::ScrubRequest request;
    request.set_all(scope == ScrubScope::kAll);
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    auto reader = operator_->Scrub(&context, request);
    v1::ScrubEvent event;
    std::optional<ScrubReport> report;
    while (reader->Read(&event)) {
      if (event.has_progress()) on_progress(FromProto(event.progress()));
      if (event.has_report()) report = FromProto(event.report());
    }
    const grpc::Status status = reader->Finish();
    if (stop.stop_requested()) return absl::CancelledError("the scrub was stopped");
    if (!status.ok()) return Explained(status);
    if (!report) {
      return Error(ErrorKind::kFailed, 1186, "unable to scrub: the controller gave no report");
    }
    return *std::move(report);
  }

  absl::StatusOr<std::vector<StartedJob>> StartBackup(
      const std::vector<SourceId>& sources) override {
    v1::StartBackupRequest request;
    for (const SourceId& source : sources) request.add_source_ids(source.bytes());
    return Start(&v1::Operator::Stub::StartBackup, request);
  }

  absl::StatusOr<std::vector<StartedJob>> StartRestore(const JobTarget& target,
                                                       const RestoreOptions& options) override {
    v1::StartRestoreRequest request;
    request.set_source_id(target.source_id.bytes());
    request.set_seq(target.seq);
    request.set_agent_name(target.agent_name);
    ASSIGN_OR_RETURN(const Bytes identity, IdentityFor(target));
    ASSIGN_OR_RETURN(*request.mutable_sealed_options(),
                     SealRestoreOptions(keys_, identity, target.source_id, options));
    return Start(&v1::Operator::Stub::StartRestore, request);
  }

  absl::StatusOr<std::vector<StartedJob>> StartVerify(const JobTarget& target,
                                                      std::uint32_t sample_percent) override {
    v1::StartVerifyRequest request;
    request.set_source_id(target.source_id.bytes());
    request.set_seq(target.seq);
    request.set_agent_name(target.agent_name);
    request.mutable_options()->set_sample_percent(sample_percent);
    return Start(&v1::Operator::Stub::StartVerify, request);
  }

  absl::Status CancelJob(ByteView job_id) override {
    v1::CancelJobRequest request;
    request.set_job_id(Bytes(job_id));
    v1::CancelJobReply reply;
    return Call(*operator_, &v1::Operator::Stub::CancelJob, request, &reply);
  }

  absl::Status WatchJobs(const std::vector<Bytes>& job_ids,
                         absl::FunctionRef<void(const JobEvent&)> on_event,
                         std::stop_token stop) override {
    v1::WatchJobsRequest request;
    for (const Bytes& id : job_ids) request.add_job_ids(id);
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&] { context.TryCancel(); });
    auto reader = operator_->WatchJobs(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
      if (event.has_progress()) on_event(FromProto(event.progress()));
      if (event.has_result()) on_event(OpenResult(keys_, event.result()));
    }
    const grpc::Status status = reader->Finish();
    if (stop.stop_requested()) return absl::CancelledError("the watch was stopped");
    return status.ok() ? absl::OkStatus() : Explained(status);
  }

  absl::StatusOr<Retention> GetRetention(const SourceId& source) override {
    v1::GetRetentionRequest request;
    request.set_source_id(source.bytes());
    v1::Retention reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::GetRetention, request, &reply));
    return FromProto(reply);
  }

  absl::StatusOr<Retention> SetRetention(const SourceId& source,
                                         const std::optional<RetentionPolicy>& policy) override {
    v1::SetRetentionRequest request;
    request.set_source_id(source.bytes());
    if (policy) ToProto(*policy, request.mutable_policy());
    v1::Retention reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::SetRetention, request, &reply));
    return FromProto(reply);
  }

  absl::Status ConfirmRetention(const SourceId& source, std::uint64_t removals) override {
    v1::ConfirmRetentionRequest request;
    request.set_source_id(source.bytes());
    request.set_removals(removals);
    v1::ConfirmRetentionReply reply;
    return Call(*operator_, &v1::Operator::Stub::ConfirmRetention, request, &reply);
  }

  absl::StatusOr<std::uint64_t> Forget(const SourceId& source,
                                       const std::vector<std::uint64_t>& seqs) override {
    v1::ForgetSnapshotsRequest request;
    request.set_source_id(source.bytes());
    for (const std::uint64_t seq : seqs) request.add_seqs(seq);
    v1::ForgetSnapshotsReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::ForgetSnapshots, request, &reply));
    return reply.purge_after_ms();
  }

  absl::Status Undelete(const SourceId& source, std::uint64_t seq) override {
    v1::UndeleteSnapshotRequest request;
    request.set_source_id(source.bytes());
    request.set_seq(seq);
    v1::UndeleteSnapshotReply reply;
    return Call(*operator_, &v1::Operator::Stub::UndeleteSnapshot, request, &reply);
  }

  absl::StatusOr<std::vector<TrashedSnapshot>> ListTrash() override {
    v1::ListTrashReply reply;
    RETURN_IF_ERROR(
        Call(*operator_, &v1::Operator::Stub::ListTrash, v1::ListTrashRequest(), &reply));
    std::vector<TrashedSnapshot> trash;
    for (const v1::TrashedSnapshot& one : reply.snapshots()) {
      trash.push_back({FromProto(one.summary()), one.purge_after_ms()});
    }
    return trash;
  }

  absl::StatusOr<Collected> Collect(const CollectRequest& in) override {
    v1::CollectGarbageRequest request;
    request.set_dry_run(in.dry_run);
    request.set_accept_clock(in.accept_clock);
    v1::CollectGarbageReply reply;
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCollectDeadline);
    context.AddMetadata(rpc::kOperatorMetadata, keys_.user);
    const grpc::Status status = operator_->CollectGarbage(&context, request, &reply);
    if (!status.ok()) return Explained(status);
    return FromProto(reply);
  }

  absl::StatusOr<std::vector<SourceSchedule>> ListSchedules(const ScheduleQuery& query) override {
    v1::ListSchedulesRequest request;
    for (const SourceId& source : query.sources) request.add_source_ids(source.bytes());
    request.set_runs_ahead(query.runs_ahead);
    v1::ListSchedulesReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::ListSchedules, request, &reply));
    std::vector<SourceSchedule> schedules;
    for (const v1::SourceSchedule& one : reply.schedules()) schedules.push_back(FromProto(one));
    return schedules;
  }

  absl::Status SetSchedule(const ScheduleChange& change) override {
    v1::SetScheduleRequest request;
    if (change.group.empty()) request.set_source_id(change.source.bytes());
    request.set_group(change.group);
    request.set_cron(change.cron);
    request.set_zone(change.zone);
    request.set_jitter(change.jitter);
    request.set_use_default(change.use_default);
    request.set_set_by(change.by);
    v1::SetScheduleReply reply;
    return Call(*operator_, &v1::Operator::Stub::SetSchedule, request, &reply);
  }

  absl::Status PauseSchedules(const std::vector<SourceId>& sources, PauseVerb verb,
                              const std::string& by) override {
    v1::PauseSchedulesRequest request;
    for (const SourceId& source : sources) request.add_source_ids(source.bytes());
    request.set_resume(verb == PauseVerb::kResume);
    request.set_set_by(by);
    v1::PauseSchedulesReply reply;
    return Call(*operator_, &v1::Operator::Stub::PauseSchedules, request, &reply);
  }

  absl::StatusOr<ObjectiveReport> ListObjectives() override {
    v1::ListObjectivesReply reply;
    RETURN_IF_ERROR(
        Call(*operator_, &v1::Operator::Stub::ListObjectives, v1::ListObjectivesRequest(), &reply));
    return FromProto(reply);
  }

  absl::Status SetObjective(const ObjectiveChange& change) override {
    v1::SetObjectiveRequest request;
    if (change.system.empty()) request.set_source_id(change.source.bytes());
    request.set_system(change.system);
    request.set_rpo(change.rpo);
    request.set_rto(change.rto);
    request.set_use_default(change.use_default);
    request.set_set_by(change.by);
    v1::SetObjectiveReply reply;
    return Call(*operator_, &v1::Operator::Stub::SetObjective, request, &reply);
  }

  absl::StatusOr<std::vector<AgentQuota>> ListQuotas() override {
    v1::ListQuotasReply reply;
    RETURN_IF_ERROR(
        Call(*operator_, &v1::Operator::Stub::ListQuotas, v1::ListQuotasRequest(), &reply));
    std::vector<AgentQuota> quotas;
    for (const v1::AgentQuota& one : reply.quotas()) quotas.push_back(FromProto(one));
    return quotas;
  }

  absl::Status SetQuota(const QuotaChange& change) override {
    v1::SetQuotaRequest request;
    request.set_agent_name(change.agent_name);
    request.set_limit(change.limit);
    request.set_set_by(change.by);
    v1::SetQuotaReply reply;
    return Call(*operator_, &v1::Operator::Stub::SetQuota, request, &reply);
  }

  absl::StatusOr<AlertList> ListAlerts(const AlertQuery& query) override {
    v1::ListAlertsRequest request;
    request.set_all(query.all);
    request.set_limit(query.limit);
    v1::ListAlertsReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::ListAlerts, request, &reply));
    return FromProto(reply);
  }

  absl::StatusOr<std::vector<AlertDelivery>> TestAlerts(const std::string& channel) override {
    v1::TestAlertsRequest request;
    request.set_channel(channel);
    v1::TestAlertsReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::TestAlerts, request, &reply));
    std::vector<AlertDelivery> deliveries;
    for (const v1::AlertDeliveryInfo& one : reply.deliveries()) {
      deliveries.push_back(FromProto(one));
    }
    return deliveries;
  }

  absl::StatusOr<AlertInfo> AcknowledgeAlert(std::int64_t id, const std::string& by) override {
    v1::AcknowledgeAlertRequest request;
    request.set_id(id);
    request.set_by(by);
    v1::AlertInfo reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::AcknowledgeAlert, request, &reply));
    return FromProto(reply);
  }

  absl::StatusOr<SilenceInfo> SilenceAlerts(const SilenceRequest& in) override {
    v1::SilenceAlertsRequest request;
    request.set_subject(in.subject);
    request.set_seconds(in.seconds);
    request.set_by(in.by);
    request.set_reason(in.reason);
    v1::SilenceInfo reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::SilenceAlerts, request, &reply));
    return FromProto(reply);
  }

  absl::Status EndSilence(std::int64_t id) override {
    v1::EndSilenceRequest request;
    request.set_id(id);
    v1::EndSilenceReply reply;
    return Call(*operator_, &v1::Operator::Stub::EndSilence, request, &reply);
  }

  absl::StatusOr<ContactList> ListContacts() override {
    v1::ListContactsReply reply;
    RETURN_IF_ERROR(
        Call(*operator_, &v1::Operator::Stub::ListContacts, v1::ListContactsRequest(), &reply));
    return FromProto(reply);
  }

  absl::StatusOr<AuditList> ListAudit(std::uint32_t limit) override {
    v1::ListAuditRequest request;
    request.set_limit(limit);
    v1::ListAuditReply reply;
    RETURN_IF_ERROR(Call(*operator_, &v1::Operator::Stub::ListAudit, request, &reply));
    return FromProto(reply);
  }

  absl::StatusOr<std::vector<SnapshotSummary>> ListSnapshots(const SnapshotQuery& query) override {
    v1::ListSnapshotsRequest request;
    if (query.source) request.set_source_id(query.source->bytes());
    request.set_limit(query.limit);
    v1::ListSnapshotsReply reply;
    RETURN_IF_ERROR(Call(*restore_, &v1::Restore::Stub::ListSnapshots, request, &reply));
    std::vector<SnapshotSummary> snapshots;
    for (const v1::SnapshotSummary& one : reply.snapshots()) snapshots.push_back(FromProto(one));
    return snapshots;
  }

  absl::StatusOr<SnapshotDocuments> GetSnapshot(const SourceId& source,
                                                std::uint64_t seq) override {
    v1::GetSnapshotRequest request;
    request.set_source_id(source.bytes());
    request.set_seq(seq);
    v1::SnapshotBundle reply;
    RETURN_IF_ERROR(Call(*restore_, &v1::Restore::Stub::GetSnapshot, request, &reply));
    SnapshotDocuments documents;
    documents.record = reply.record();
    documents.envelopes.assign(reply.envelopes().begin(), reply.envelopes().end());
    documents.identity = reply.identity();
    documents.domain_secrets = reply.domain_secrets();
    return documents;
  }

  std::shared_ptr<ChunkFetcher> Fetcher() override { return MakeGrpcFetcher(channel_); }

 private:
  template <typename Stub, typename Method, typename Request, typename Reply>
  absl::Status Call(Stub& stub, Method method, const Request& request, Reply* reply) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCallDeadline);
    context.AddMetadata(rpc::kOperatorMetadata, keys_.user);
    const grpc::Status status = (stub.*method)(&context, request, reply);
    return status.ok() ? absl::OkStatus() : Explained(status);
  }

  template <typename Method, typename Request>
  absl::StatusOr<std::vector<StartedJob>> Start(Method method, const Request& request) {
    v1::StartJobsReply reply;
    RETURN_IF_ERROR(Call(*operator_, method, request, &reply));
    std::vector<StartedJob> jobs;
    for (const v1::StartedJob& job : reply.jobs()) {
      jobs.push_back(
          {job.job_id(), SourceId::From(job.source_id()).value_or(SourceId()), job.agent_name()});
    }
    return jobs;
  }

  // Of the agent that shall do the job: the named one, else the one that made the snapshot.
  absl::StatusOr<Bytes> IdentityFor(const JobTarget& target) {
    if (target.agent_name.empty()) {
      ASSIGN_OR_RETURN(const SnapshotDocuments documents,
                       GetSnapshot(target.source_id, target.seq));
      return documents.identity;
    }
    v1::ListAgentsReply reply;
    RETURN_IF_ERROR(
        Call(*operator_, &v1::Operator::Stub::ListAgents, v1::ListAgentsRequest(), &reply));
    for (const v1::AgentInfo& agent : reply.agents()) {
      if (agent.name() == target.agent_name && !agent.identity().empty()) return agent.identity();
    }
    return Error(
        ErrorKind::kNotFound, 6044,
        fmt::format("unable to find agent '{}', or it never connected", Escaped(target.agent_name)),
        "See 'holdfast agent list'.");
  }

  // A local socket fails in two ways: nobody listens, or this user may not.
  absl::Status Explained(const grpc::Status& status) const {
    absl::Status own = rpc::FromGrpc(status);
    // An error that the controller itself made proves that it was reached.
    if (!absl::IsUnavailable(own) || !status.error_details().empty()) return own;
    return Error(ErrorKind::kUnreachable, 6058,
                 fmt::format("unable to reach the controller at '{}': {}", Escaped(socket_),
                             Escaped(MessageOf(own))),
                 "Is holdfast-controller running on this machine, and may this user open the "
                 "socket? --socket PATH names another one.");
  }

  OperatorKeys keys_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Operator::Stub> operator_;
  std::unique_ptr<v1::Restore::Stub> restore_;
  std::string socket_;
};

}  // namespace

std::shared_ptr<OperatorClient> OpenOperatorClient(const std::string& socket_path,
                                                   OperatorKeys keys) {
  return std::make_shared<GrpcOperatorClient>(rpc::OpenLocalChannel(socket_path), socket_path,
                                              std::move(keys));
}

}  // namespace holdfast::cli
