// Goal: every call of an operator that changes a setting, deletes something or takes access away
// leaves one row of the audit trail, with who it was and of what; a call that is refused leaves
// none.
#include "controller/operator/audit_calls.h"

#include <set>

#include "common/rpc/status.h"
#include "proto/operator.grpc.pb.h"
#include "tests/unit/controller/test_controller.h"

namespace holdfast::operator_service {
namespace {

using Stub = v1::Operator::Stub;

class AuditCallsTest : public testing::Test {
 protected:
  AuditCallsTest() : stub_(v1::Operator::NewStub(controller_.ConnectOperator())) {}

  template <typename Reply, typename Request>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!user_.empty()) context.AddMetadata(rpc::kOperatorMetadata, user_);
    Reply reply;
    return rpc::FromGrpc(((*stub_).*method)(&context, request, &reply));
  }
  v1::ListAuditReply List(std::uint32_t limit = 0) {
    v1::ListAuditRequest request;
    request.set_limit(limit);
    grpc::ClientContext context;
    v1::ListAuditReply reply;
    EXPECT_TRUE(stub_->ListAudit(&context, request, &reply).ok());
    return reply;
  }
  // The call leaves exactly this row.
  template <typename Method, typename Request>
  void Leaves(const char* name, Method method, const Request& request, const std::string& action,
              const std::string& object, const std::string& in_detail = "") {
    SCOPED_TRACE(name);
    const std::uint64_t before = List().total();
    const absl::Status status = Call(method, request);
    ASSERT_TRUE(status.ok()) << status;
    const v1::ListAuditReply after = List();
    ASSERT_EQ(after.total(), before + 1);
    const v1::AuditRow& row = after.rows(0);
    EXPECT_EQ(row.action(), action);
    EXPECT_EQ(row.object(), object);
    EXPECT_EQ(row.by(), "ann");
    EXPECT_NE(row.detail().find(in_detail), std::string::npos) << row.detail();
    const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(controller_.clock().Now()));
    EXPECT_LE(row.at_ms(), now_ms);
    EXPECT_GT(row.at_ms() + 60'000, now_ms);
    called_.insert(name);
  }
  void Commit(std::uint64_t seq) {
    catalog::SnapshotCommit commit;
    commit.source = agent_.Source("uploads");
    commit.seq = seq;
    commit.run_id = Sha256("run" + std::to_string(seq)).bytes().substr(0, 16);
    commit.snapshot_id = Sha256(std::to_string(seq));
    ASSERT_TRUE(controller_.catalog().CommitSnapshot(commit, 1000 * seq).ok());
  }

  Bytes Uploads() const { return agent_.Source("uploads").bytes(); }
  void ChangeTheInstallation() {
    v1::InitializeRequest initialize;
    initialize.set_owner_public_key(agent_.owner.public_key.bytes());
    initialize.set_recipients(agent_.Recipients());
    Leaves("Initialize", &Stub::Initialize, initialize, "owner.set",
           agent_.owner.public_key.hex().substr(0, 16));
    v1::PutRecipientsRequest recipients;
    recipients.set_recipients(agent_.Recipients(2));
    Leaves("PutRecipients", &Stub::PutRecipients, recipients, "recipients.set", "version 2",
           "recipients: ");
    v1::CreateJoinTokenRequest token;
    token.set_token_id(Bytes(16, 't'));
    token.set_secret_hash(Bytes(32, 's'));
    token.set_agent_name("web-2");
    Leaves("CreateJoinToken", &Stub::CreateJoinToken, token, "agent.token", "web-2", "900 s");
  }
  void ChangeSnapshots() {
    const Bytes source = Uploads();
    v1::SetRetentionRequest retention;
    retention.set_source_id(source);
    retention.mutable_policy()->set_last(3);
    Leaves("SetRetention", &Stub::SetRetention, retention, "retention.set", "web-1/uploads",
           "was the default");
    v1::ConfirmRetentionRequest confirm;
    confirm.set_source_id(source);
    confirm.set_removals(1);
    Leaves("ConfirmRetention", &Stub::ConfirmRetention, confirm, "retention.confirm",
           "web-1/uploads", "snapshot 1, in the trash until ");
    v1::ForgetSnapshotsRequest forget;
    forget.set_source_id(source);
    forget.add_seqs(2);
    forget.add_seqs(3);
    Leaves("ForgetSnapshots", &Stub::ForgetSnapshots, forget, "snapshot.forget", "web-1/uploads",
           "snapshots 2, 3, in the trash until ");
    v1::UndeleteSnapshotRequest undelete;
    undelete.set_source_id(source);
    undelete.set_seq(3);
    Leaves("UndeleteSnapshot", &Stub::UndeleteSnapshot, undelete, "snapshot.undelete",
           "web-1/uploads", "snapshot 3");
    v1::CollectGarbageRequest collect;
    collect.set_dry_run(true);
    collect.set_accept_clock(true);
    Leaves("CollectGarbage", &Stub::CollectGarbage, collect, "gc.accept-clock",
           "the controller's clock");
  }
  void ChangePlans() {
    const Bytes source = Uploads();
    v1::SetScheduleRequest schedule;
    schedule.set_source_id(source);
    schedule.set_cron("@daily");
    schedule.set_set_by("ann");
    Leaves("SetSchedule", &Stub::SetSchedule, schedule, "schedule.set", "web-1/uploads",
           "cron @daily (was not set)");
    v1::PauseSchedulesRequest pause;
    pause.add_source_ids(source);
    pause.set_set_by("ann");
    Leaves("PauseSchedules", &Stub::PauseSchedules, pause, "schedule.pause", "web-1/uploads");
    pause.set_resume(true);
    Leaves("PauseSchedules", &Stub::PauseSchedules, pause, "schedule.resume", "web-1/uploads",
           "was paused by ann");
    v1::SetObjectiveRequest objective;
    objective.set_source_id(source);
    objective.set_rpo("1h");
    objective.set_set_by("ann");
    Leaves("SetObjective", &Stub::SetObjective, objective, "objective.set", "web-1/uploads",
           "rpo 1h (was not set)");
    v1::SetQuotaRequest quota;
    quota.set_agent_name("web-1");
    quota.set_limit("5GiB");
    quota.set_set_by("ann");
    Leaves("SetQuota", &Stub::SetQuota, quota, "quota.set", "web-1", "limit 5GiB");
  }
  void ChangeAlertsAndAgents() {
    v1::SilenceAlertsRequest silence;
    silence.set_subject("uploads");
    silence.set_seconds(3600);
    silence.set_by("ann");
    silence.set_reason("moving");
    Leaves("SilenceAlerts", &Stub::SilenceAlerts, silence, "alert.silence", "uploads", "moving");
    v1::EndSilenceRequest end;
    end.set_id(1);
    Leaves("EndSilence", &Stub::EndSilence, end, "alert.unsilence", "uploads", "silence 1");
    alert::Problem problem;
    problem.key = "failure/x";
    problem.kind = "failure";
    problem.subject = "uploads";
    problem.title = "it failed";
    ASSERT_TRUE(controller_.alerts().engine().Raise(problem).ok());
    v1::AcknowledgeAlertRequest acknowledge;
    acknowledge.set_id(1);
    acknowledge.set_by("ann");
    Leaves("AcknowledgeAlert", &Stub::AcknowledgeAlert, acknowledge, "alert.acknowledge", "uploads",
           "it failed");
    v1::RemoveAgentRequest remove;
    remove.set_name("web-1");
    Leaves("RemoveAgent", &Stub::RemoveAgent, remove, "agent.remove", "web-1");
  }

  test::TestController controller_;
  test::AgentDomain agent_{44};
  std::unique_ptr<Stub> stub_;
  std::string user_ = "ann";
  std::set<std::string> called_;
};

TEST_F(AuditCallsTest, EveryCallThatChangesSomethingLeavesARow) {
  ChangeTheInstallation();
  controller_.Enrol(agent_, {"uploads"});
  for (std::uint64_t seq = 1; seq <= 4; ++seq) Commit(seq);
  ChangeSnapshots();
  ChangePlans();
  ChangeAlertsAndAgents();
  EXPECT_EQ(List().broken_at(), 0);

  // What only reads, and what starts work that leaves its own traces. A new method of the service
  // belongs here or above.
  std::set<std::string> others = {
      "GetInstallation", "ListAgents",  "Status",        "Scrub",          "StartBackup",
      "StartRestore",    "StartVerify", "CancelJob",     "WatchJobs",      "GetRetention",
      "ListTrash",       "ListAlerts",  "ListSchedules", "ListObjectives", "TestAlerts",
      "ListContacts",    "ListAudit",   "ListQuotas"};
  others.insert(called_.begin(), called_.end());
  std::set<std::string> all;
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName("holdfast.v1.Operator");
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) all.insert(service->method(i)->name());
  EXPECT_EQ(all, others);
}

TEST_F(AuditCallsTest, WhatIsRefusedLeavesNoRow) {
  controller_.Enrol(agent_, {"uploads"});
  Commit(1);
  const std::uint64_t before = List().total();
  v1::ForgetSnapshotsRequest forget;
  forget.set_source_id(agent_.Source("uploads").bytes());
  forget.add_seqs(1);
  EXPECT_EQ(KindOf(Call(&Stub::ForgetSnapshots, forget)), ErrorKind::kRefused);
  v1::UndeleteSnapshotRequest undelete;
  undelete.set_source_id(forget.source_id());
  undelete.set_seq(1);
  EXPECT_EQ(KindOf(Call(&Stub::UndeleteSnapshot, undelete)), ErrorKind::kConflict);
  v1::SetScheduleRequest schedule;
  schedule.set_source_id(forget.source_id());
  schedule.set_cron("0 0 31 2 *");
  EXPECT_EQ(KindOf(Call(&Stub::SetSchedule, schedule)), ErrorKind::kUsage);
  v1::EndSilenceRequest end;
  end.set_id(9);
  EXPECT_EQ(KindOf(Call(&Stub::EndSilence, end)), ErrorKind::kNotFound);
  v1::RemoveAgentRequest remove;
  remove.set_name("nobody");
  EXPECT_EQ(KindOf(Call(&Stub::RemoveAgent, remove)), ErrorKind::kNotFound);
  EXPECT_EQ(List().total(), before);
}

TEST_F(AuditCallsTest, ANameIsEscapedCutAndMayBeMissing) {
  controller_.Enrol(agent_, {"uploads"});
  Commit(1);
  Commit(2);
  v1::ForgetSnapshotsRequest forget;
  forget.set_source_id(agent_.Source("uploads").bytes());
  forget.add_seqs(1);
  v1::UndeleteSnapshotRequest undelete;
  undelete.set_source_id(forget.source_id());
  undelete.set_seq(1);
  user_ = "eve\n\x1b[2J" + std::string(200, 'e');
  ASSERT_TRUE(Call(&Stub::ForgetSnapshots, forget).ok());
  const std::string by = List(1).rows(0).by();
  EXPECT_EQ(by.substr(0, 12), "eve\\x0a\\x1b[");
  EXPECT_LE(by.size(), 100u);
  user_ = "";
  ASSERT_TRUE(Call(&Stub::UndeleteSnapshot, undelete).ok());
  EXPECT_EQ(List(1).rows(0).by(), "unknown");
}

}  // namespace
}  // namespace holdfast::operator_service
