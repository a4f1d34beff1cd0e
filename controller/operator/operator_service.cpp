#include "controller/operator/operator_service.h"

#include <grpcpp/server_context.h>

#include "common/base/error.h"
#include "common/format/trust.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "controller/operator/alert_calls.h"
#include "controller/operator/audit_calls.h"
#include "controller/operator/quota_calls.h"
#include "controller/operator/retention_calls.h"
#include "controller/operator/schedule_calls.h"
#include "controller/operator/scrub_run.h"
#include "controller/operator/status_report.h"
#include "fmt/format.h"
#include "proto/control.pb.h"
#include "proto/operator.grpc.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::uint64_t kDefaultTokenSeconds = 900;
constexpr std::uint64_t kMaxTokenSeconds = 7 * 24 * 3600;
constexpr std::size_t kMaxName = 64;

absl::Status CheckAgentName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= kMaxName &&
                    name.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789.-_") == std::string::npos &&
                    name[0] != '-' && name[0] != '.';
  if (good) return absl::OkStatus();
  return Error(ErrorKind::kUsage, 5050,
               fmt::format("unable to enrol agent '{}': not a usable name", Escaped(name)),
               "Use 1 to 64 letters, digits, '.', '-' and '_'.");
}

// Who calls, as the command line says: a login name, not a proof. See ListAudit.
std::string ActorOf(const grpc::ServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(rpc::kOperatorMetadata);
  if (found == metadata.end()) return "unknown";
  return Escaped(std::string(found->second.data(), found->second.size()), kMaxName);
}

std::string RecipientsText(const RecipientList& list) {
  std::string names;
  for (const Recipient& one : list.recipients) {
    names += (names.empty() ? "" : ", ") + Escaped(one.name, kMaxName);
  }
  return "recipients: " + names;
}

class OperatorService final : public v1::Operator::Service {
 public:
  explicit OperatorService(OperatorServiceOptions options) : options_(std::move(options)) {}

  grpc::Status GetInstallation(grpc::ServerContext* context, const v1::GetInstallationRequest*,
                               v1::Installation* reply) override {
    return Guarded(*context, "GetInstallation", [&] { return FillInstallation(options_, reply); });
  }
  grpc::Status Initialize(grpc::ServerContext* context, const v1::InitializeRequest* request,
                          v1::Installation* reply) override {
    return Changing(*context, "Initialize", [&]() -> absl::Status {
      RETURN_IF_ERROR(DoInitialize(*context, *request));
      return FillInstallation(options_, reply);
    });
  }
  grpc::Status PutRecipients(grpc::ServerContext* context, const v1::PutRecipientsRequest* request,
                             v1::PutRecipientsReply*) override {
    return Changing(*context, "PutRecipients",
                    [&] { return DoPutRecipients(*context, request->recipients()); });
  }
  grpc::Status CreateJoinToken(grpc::ServerContext* context,
                               const v1::CreateJoinTokenRequest* request,
                               v1::CreateJoinTokenReply* reply) override {
    return Changing(*context, "CreateJoinToken",
                    [&] { return DoCreateToken(*context, *request, reply); });
  }
  grpc::Status ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest* request,
                          v1::ListAgentsReply* reply) override {
    return Guarded(*context, "ListAgents", [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const auto agents, options_.catalog->ListAgents(request->include_removed()));
      for (const catalog::AgentRow& agent : agents) {
        RETURN_IF_ERROR(FillAgent(options_, agent, reply->add_agents()));
      }
      return absl::OkStatus();
    });
  }
  grpc::Status RemoveAgent(grpc::ServerContext* context, const v1::RemoveAgentRequest* request,
                           v1::RemoveAgentReply*) override {
    return Changing(*context, "RemoveAgent", [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const catalog::AgentRow agent, options_.catalog->FindAgent(request->name()));
      if (agent.domain) {
        RETURN_IF_ERROR(options_.store->MarkAgentRemoved(*agent.domain, agent.id));
      }
      RETURN_IF_ERROR(options_.catalog->audit().Audited(
          Entry(*context, "agent.remove", agent.name, ""),
          [&] { return options_.catalog->RemoveAgent(request->name()); }));
      options_.board->Disconnect(agent.id);
      return absl::OkStatus();
    });
  }
  grpc::Status Status(grpc::ServerContext* context, const v1::StatusRequest*,
                      v1::StatusReply* reply) override {
    return Guarded(*context, "Status", [&] { return FillStatus(options_, reply); });
  }
  grpc::Status Scrub(grpc::ServerContext* context, const v1::ScrubRequest* request,
                     grpc::ServerWriter<v1::ScrubEvent>* writer) override {
    return Guarded(*context, "Scrub", [&] {
      return RunScrub(
          *options_.scrubber,
          request->all() ? scrub::ScrubScope::kAll : scrub::ScrubScope::kRestOfRound,
          [&](const v1::ScrubEvent& event) { writer->Write(event); },
          [&] { return context->IsCancelled() || options_.stopping(); });
    });
  }
  grpc::Status StartBackup(grpc::ServerContext* context, const v1::StartBackupRequest* request,
                           v1::StartJobsReply* reply) override {
    return Guarded(*context, "StartBackup", [&] { return DoStartBackup(*request, reply); });
  }
  grpc::Status StartRestore(grpc::ServerContext* context, const v1::StartRestoreRequest* request,
                            v1::StartJobsReply* reply) override {
    return Guarded(*context, "StartRestore", [&] {
      v1::Job job;
      job.set_kind(v1::JOB_KIND_RESTORE);
      job.set_sealed_restore(request->sealed_options());
      return StartReading(request->source_id(), request->seq(), request->agent_name(),
                          std::move(job), reply);
    });
  }
  grpc::Status StartVerify(grpc::ServerContext* context, const v1::StartVerifyRequest* request,
                           v1::StartJobsReply* reply) override {
    return Guarded(*context, "StartVerify", [&] {
      v1::Job job;
      job.set_kind(v1::JOB_KIND_VERIFY);
      *job.mutable_verify() = request->options();
      return StartReading(request->source_id(), request->seq(), request->agent_name(),
                          std::move(job), reply);
    });
  }
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::CancelJobReply*) override {
    return Guarded(*context, "CancelJob",
                   [&] { return options_.board->Cancel(request->job_id()); });
  }
  grpc::Status GetRetention(grpc::ServerContext* context, const v1::GetRetentionRequest* request,
                            v1::Retention* reply) override {
    return Guarded(*context, "GetRetention",
                   [&] { return FillRetention(options_, request->source_id(), reply); });
  }
  grpc::Status SetRetention(grpc::ServerContext* context, const v1::SetRetentionRequest* request,
                            v1::Retention* reply) override {
    return Changing(*context, "SetRetention", [&] {
      return operator_service::SetRetention(options_, *request, ActorOf(*context), reply);
    });
  }
  grpc::Status ConfirmRetention(grpc::ServerContext* context,
                                const v1::ConfirmRetentionRequest* request,
                                v1::ConfirmRetentionReply*) override {
    return Changing(*context, "ConfirmRetention", [&] {
      return options_.collector->Confirm(SourceId::From(request->source_id()).value_or(SourceId()),
                                         request->removals(), ActorOf(*context));
    });
  }
  grpc::Status ForgetSnapshots(grpc::ServerContext* context,
                               const v1::ForgetSnapshotsRequest* request,
                               v1::ForgetSnapshotsReply* reply) override {
    return Changing(*context, "ForgetSnapshots",
                    [&] { return Forget(options_, *request, ActorOf(*context), reply); });
  }
  grpc::Status UndeleteSnapshot(grpc::ServerContext* context,
                                const v1::UndeleteSnapshotRequest* request,
                                v1::UndeleteSnapshotReply*) override {
    return Changing(*context, "UndeleteSnapshot",
                    [&] { return Undelete(options_, *request, ActorOf(*context)); });
  }
  grpc::Status ListTrash(grpc::ServerContext* context, const v1::ListTrashRequest*,
                         v1::ListTrashReply* reply) override {
    return Guarded(*context, "ListTrash", [&] { return FillTrash(options_, reply); });
  }
  grpc::Status CollectGarbage(grpc::ServerContext* context,
                              const v1::CollectGarbageRequest* request,
                              v1::CollectGarbageReply* reply) override {
    return Changing(*context, "CollectGarbage",
                    [&] { return Collect(options_, *request, ActorOf(*context), reply); });
  }
  grpc::Status ListSchedules(grpc::ServerContext* context, const v1::ListSchedulesRequest* request,
                             v1::ListSchedulesReply* reply) override {
    return Guarded(*context, "ListSchedules",
                   [&] { return operator_service::ListSchedules(options_, *request, reply); });
  }
  grpc::Status SetSchedule(grpc::ServerContext* context, const v1::SetScheduleRequest* request,
                           v1::SetScheduleReply*) override {
    return Changing(*context, "SetSchedule",
                    [&] { return operator_service::SetSchedule(options_, *request); });
  }
  grpc::Status PauseSchedules(grpc::ServerContext* context,
                              const v1::PauseSchedulesRequest* request,
                              v1::PauseSchedulesReply*) override {
    return Changing(*context, "PauseSchedules",
                    [&] { return operator_service::PauseSchedules(options_, *request); });
  }
  grpc::Status ListObjectives(grpc::ServerContext* context, const v1::ListObjectivesRequest*,
                              v1::ListObjectivesReply* reply) override {
    return Guarded(*context, "ListObjectives",
                   [&] { return operator_service::ListObjectives(options_, reply); });
  }
  grpc::Status SetObjective(grpc::ServerContext* context, const v1::SetObjectiveRequest* request,
                            v1::SetObjectiveReply*) override {
    return Changing(*context, "SetObjective",
                    [&] { return operator_service::SetObjective(options_, *request); });
  }
  grpc::Status ListQuotas(grpc::ServerContext* context, const v1::ListQuotasRequest*,
                          v1::ListQuotasReply* reply) override {
    return Guarded(*context, "ListQuotas",
                   [&] { return operator_service::ListQuotas(options_, reply); });
  }
  grpc::Status SetQuota(grpc::ServerContext* context, const v1::SetQuotaRequest* request,
                        v1::SetQuotaReply*) override {
    return Changing(*context, "SetQuota",
                    [&] { return operator_service::SetQuota(options_, *request); });
  }
  grpc::Status ListAlerts(grpc::ServerContext* context, const v1::ListAlertsRequest* request,
                          v1::ListAlertsReply* reply) override {
    return Guarded(*context, "ListAlerts",
                   [&] { return FillAlerts(*options_.alerts, *request, reply); });
  }
  grpc::Status TestAlerts(grpc::ServerContext* context, const v1::TestAlertsRequest* request,
                          v1::TestAlertsReply* reply) override {
    return Guarded(*context, "TestAlerts", [&] {
      return TestChannels(
          options_, *request, [&] { return context->IsCancelled() || options_.stopping(); }, reply);
    });
  }
  grpc::Status AcknowledgeAlert(grpc::ServerContext* context,
                                const v1::AcknowledgeAlertRequest* request,
                                v1::AlertInfo* reply) override {
    return Changing(*context, "AcknowledgeAlert",
                    [&] { return Acknowledge(*options_.alerts, *request, reply); });
  }
  grpc::Status SilenceAlerts(grpc::ServerContext* context, const v1::SilenceAlertsRequest* request,
                             v1::SilenceInfo* reply) override {
    return Changing(*context, "SilenceAlerts",
                    [&] { return Silence(*options_.alerts, *request, reply); });
  }
  grpc::Status EndSilence(grpc::ServerContext* context, const v1::EndSilenceRequest* request,
                          v1::EndSilenceReply*) override {
    return Changing(*context, "EndSilence", [&] {
      return options_.alerts->engine().EndSilence(request->id(), ActorOf(*context));
    });
  }
  grpc::Status ListContacts(grpc::ServerContext* context, const v1::ListContactsRequest*,
                            v1::ListContactsReply* reply) override {
    return Guarded(*context, "ListContacts", [&]() -> absl::Status {
      FillContacts(options_.alerts->config(), options_.env.clock.Now(), reply);
      return absl::OkStatus();
    });
  }
  grpc::Status ListAudit(grpc::ServerContext* context, const v1::ListAuditRequest* request,
                         v1::ListAuditReply* reply) override {
    return Guarded(*context, "ListAudit",
                   [&] { return FillAudit(*options_.catalog, *request, reply); });
  }
  grpc::Status WatchJobs(grpc::ServerContext* context, const v1::WatchJobsRequest* request,
                         grpc::ServerWriter<v1::JobEvent>* writer) override {
    return Guarded(*context, "WatchJobs", [&] {
      const std::vector<Bytes> ids(request->job_ids().begin(), request->job_ids().end());
      return options_.board->Watch(
          ids, [&](const v1::JobEvent& event) { return writer->Write(event); },
          [&] { return context->IsCancelled() || options_.stopping(); });
    });
  }

 private:
  template <typename Body>
  grpc::Status Guarded(const grpc::ServerContext& context, std::string_view method, Body body) {
    const auto principal =
        options_.access->Check(context, fmt::format("holdfast.v1.Operator/{}", method));
    return rpc::ToGrpc(principal.ok() ? body() : principal.status());
  }

  // For calls that change something.
  template <typename Body>
  grpc::Status Changing(const grpc::ServerContext& context, std::string_view method, Body body) {
    return Guarded(context, method, [&]() -> absl::Status {
      RETURN_IF_ERROR(body());
      options_.changed();
      return absl::OkStatus();
    });
  }

  catalog::AuditEntry Entry(const grpc::ServerContext& context, std::string action,
                            std::string object, std::string detail) const {
    return {NowMs(), ActorOf(context), std::move(action), std::move(object), std::move(detail)};
  }

  absl::Status DoInitialize(const grpc::ServerContext& context,
                            const v1::InitializeRequest& request) {
    const auto owner = PublicKey::From(request.owner_public_key());
    if (!owner) return Error(ErrorKind::kUsage, 5051, "unable to initialise: no owner key given");
    ASSIGN_OR_RETURN(const catalog::Installation row, options_.catalog->GetInstallation());
    if (row.owner) {
      return Error(ErrorKind::kConflict, 5052,
                   "unable to initialise: this controller has an owner already",
                   "Use the keys and the recovery kit made then.");
    }
    ASSIGN_OR_RETURN(const RecipientList list, OpenRecipientList(request.recipients(), *owner));
    RETURN_IF_ERROR(options_.store->PutOwner(*owner));
    RETURN_IF_ERROR(options_.store->PutRecipients(list.version, request.recipients()));
    return options_.catalog->audit().Audited(
        Entry(context, "owner.set", owner->hex().substr(0, 16), RecipientsText(list)),
        [&] { return options_.catalog->SetOwner(*owner, request.recipients(), list.version); });
  }

  absl::Status DoPutRecipients(const grpc::ServerContext& context, const Bytes& document) {
    ASSIGN_OR_RETURN(const catalog::Installation row, options_.catalog->GetInstallation());
    if (!row.owner) return NotInitialised();
    ASSIGN_OR_RETURN(const RecipientList list, OpenRecipientList(document, *row.owner));
    // The catalog says so too, but only after the store, whose documents are written once.
    if (list.version != row.recipients_version + 1) {
      return Error(ErrorKind::kConflict, 5054,
                   fmt::format("unable to set recipient list {}: the stored one is {}",
                               list.version, row.recipients_version),
                   "Somebody else changed the recipients: look again.");
    }
    RETURN_IF_ERROR(options_.store->PutRecipients(list.version, document));
    return options_.catalog->audit().Audited(
        Entry(context, "recipients.set", fmt::format("version {}", list.version),
              RecipientsText(list)),
        [&] { return options_.catalog->SetRecipients(document, list.version); });
  }

  static absl::Status NotInitialised() {
    return Error(ErrorKind::kRefused, 6033, "unable to go on: this controller has no owner yet",
                 "Run 'holdfast init' first.");
  }

  absl::Status DoCreateToken(const grpc::ServerContext& context,
                             const v1::CreateJoinTokenRequest& request,
                             v1::CreateJoinTokenReply* reply) {
    RETURN_IF_ERROR(CheckAgentName(request.agent_name()));
    ASSIGN_OR_RETURN(const catalog::Installation row, options_.catalog->GetInstallation());
    if (!row.owner) return NotInitialised();
    const auto hash = Hash256::From(request.secret_hash());
    const std::uint64_t seconds =
        request.lifetime_seconds() == 0 ? kDefaultTokenSeconds : request.lifetime_seconds();
    if (!hash || request.token_id().size() != 16 || seconds > kMaxTokenSeconds) {
      return Error(ErrorKind::kUsage, 5053, "unable to make a join token: longer than 7 days");
    }
    catalog::TokenRow token;
    token.id = request.token_id();
    token.secret_hash = *hash;
    token.agent_name = request.agent_name();
    token.expires_at_ms = NowMs() + seconds * 1000;
    reply->set_expires_at_ms(token.expires_at_ms);
    return options_.catalog->audit().Audited(
        Entry(context, "agent.token", token.agent_name, fmt::format("for {} s", seconds)),
        [&] { return options_.catalog->AddToken(token); });
  }

  std::uint64_t NowMs() const {
    return static_cast<std::uint64_t>(absl::ToUnixMillis(options_.env.clock.Now()));
  }

  absl::Status Dispatch(const catalog::AgentRow& agent, v1::Job job, v1::StartJobsReply* reply) {
    job.set_job_id(options_.env.rng.Draw(16));
    RETURN_IF_ERROR(options_.board->Start(agent.id, agent.name, job));
    v1::StartedJob* started = reply->add_jobs();
    started->set_job_id(job.job_id());
    started->set_source_id(job.source_id());
    started->set_agent_name(agent.name);
    return absl::OkStatus();
  }

  absl::Status DoStartBackup(const v1::StartBackupRequest& request, v1::StartJobsReply* reply) {
    for (const std::string& id : request.source_ids()) {
      ASSIGN_OR_RETURN(const catalog::SourceRow source,
                       options_.catalog->GetSource(SourceId::From(id).value_or(SourceId())));
      ASSIGN_OR_RETURN(const catalog::AgentRow agent, options_.catalog->GetAgent(source.agent));
      v1::Job job;
      job.set_kind(v1::JOB_KIND_BACKUP);
      job.set_source_id(id);
      RETURN_IF_ERROR(Dispatch(agent, std::move(job), reply));
    }
    return absl::OkStatus();
  }

  absl::Status StartReading(const std::string& source_id, std::uint64_t seq,
                            const std::string& agent_name, v1::Job job, v1::StartJobsReply* reply) {
    ASSIGN_OR_RETURN(const catalog::SourceRow source,
                     options_.catalog->GetSource(SourceId::From(source_id).value_or(SourceId())));
    ASSIGN_OR_RETURN(const catalog::SnapshotRow snapshot,
                     options_.catalog->GetSnapshot(source.id, seq));
    catalog::AgentRow agent;
    if (agent_name.empty()) {
      ASSIGN_OR_RETURN(agent, options_.catalog->GetAgent(source.agent));
    } else {
      ASSIGN_OR_RETURN(agent, options_.catalog->FindAgent(agent_name));
    }
    job.set_source_id(source_id);
    job.set_seq(snapshot.seq);
    return Dispatch(agent, std::move(job), reply);
  }

  const OperatorServiceOptions options_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeOperatorService(OperatorServiceOptions options) {
  return std::make_unique<OperatorService>(std::move(options));
}

}  // namespace holdfast::operator_service
