// Goal: the owner is set once, recipient lists follow each other, and operators reach agents only
// through jobs; seen through the local socket, as the command line sees it.
#include "controller/operator/operator_service.h"

#include "common/rpc/status.h"
#include "proto/control.pb.h"
#include "proto/operator.grpc.pb.h"
#include "tests/unit/controller/test_controller.h"

namespace holdfast::operator_service {
namespace {

class OperatorServiceTest : public testing::Test {
 protected:
  OperatorServiceTest() : stub_(v1::Operator::NewStub(controller_.ConnectOperator())) {}

  template <typename Reply, typename Request>
  absl::Status Call(grpc::Status (v1::Operator::Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Reply*),
                    const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return rpc::FromGrpc(((*stub_).*method)(&context, request, reply));
  }
  absl::Status Initialize(const test::AgentDomain& owner) {
    v1::InitializeRequest request;
    request.set_owner_public_key(owner.owner.public_key.bytes());
    request.set_recipients(owner.Recipients());
    v1::Installation reply;
    return Call(&v1::Operator::Stub::Initialize, request, &reply);
  }
  absl::Status PutRecipients(const Bytes& document) {
    v1::PutRecipientsRequest request;
    request.set_recipients(document);
    v1::PutRecipientsReply reply;
    return Call(&v1::Operator::Stub::PutRecipients, request, &reply);
  }
  absl::Status CreateToken(const std::string& name, std::uint64_t seconds = 0) {
    v1::CreateJoinTokenRequest request;
    request.set_token_id(agent_.rng.Draw(16));
    request.set_secret_hash(agent_.rng.Draw(32));
    request.set_agent_name(name);
    request.set_lifetime_seconds(seconds);
    v1::CreateJoinTokenReply reply;
    return Call(&v1::Operator::Stub::CreateJoinToken, request, &reply);
  }
  v1::Installation Installation() {
    v1::Installation reply;
    EXPECT_TRUE(
        Call(&v1::Operator::Stub::GetInstallation, v1::GetInstallationRequest(), &reply).ok());
    return reply;
  }

  test::TestController controller_;
  test::AgentDomain agent_{44};
  std::unique_ptr<v1::Operator::Stub> stub_;
};

TEST_F(OperatorServiceTest, TheOwnerIsSetOnce) {
  EXPECT_FALSE(Installation().initialized());
  EXPECT_EQ(CodeOf(PutRecipients(agent_.Recipients(1))), 6033);
  EXPECT_EQ(CodeOf(CreateToken("web-1")), 6033);
  ASSERT_TRUE(Initialize(agent_).ok());
  EXPECT_TRUE(Installation().initialized());
  EXPECT_EQ(Installation().owner_public_key(), agent_.owner.public_key.bytes());
  EXPECT_EQ(Installation().recipients(), agent_.Recipients());
  EXPECT_EQ(CodeOf(Initialize(test::AgentDomain(45))), 5052);
  EXPECT_EQ(CodeOf(Initialize(agent_)), 5052);
  EXPECT_EQ(Installation().owner_public_key(), agent_.owner.public_key.bytes());
}

TEST_F(OperatorServiceTest, AnOwnerMustHaveSignedTheList) {
  v1::InitializeRequest request;
  v1::Installation reply;
  EXPECT_EQ(CodeOf(Call(&v1::Operator::Stub::Initialize, request, &reply)), 5051);
  request.set_owner_public_key(agent_.owner.public_key.bytes());
  request.set_recipients(test::AgentDomain(45).Recipients());
  EXPECT_EQ(KindOf(Call(&v1::Operator::Stub::Initialize, request, &reply)), ErrorKind::kIntegrity);
  EXPECT_FALSE(Installation().initialized());
}

TEST_F(OperatorServiceTest, RecipientListsFollowEachOther) {
  ASSERT_TRUE(Initialize(agent_).ok());
  EXPECT_EQ(KindOf(PutRecipients(agent_.Recipients(1))), ErrorKind::kConflict) << "the same again";
  EXPECT_EQ(KindOf(PutRecipients(agent_.Recipients(3))), ErrorKind::kConflict) << "one is skipped";
  EXPECT_EQ(KindOf(PutRecipients(test::AgentDomain(45).Recipients(2))), ErrorKind::kIntegrity);
  EXPECT_EQ(KindOf(PutRecipients("text")), ErrorKind::kIntegrity);
  EXPECT_EQ(Installation().recipients(), agent_.Recipients(1));
  EXPECT_TRUE(PutRecipients(agent_.Recipients(2)).ok());
  // The list that came too early left nothing in the store, where it would stand in the way.
  RecipientList another{3, {{RecipientRole::kOperator, "ann", agent_.recipient.public_key}}};
  const Bytes third = SignRecipientList(another, agent_.owner);
  EXPECT_TRUE(PutRecipients(third).ok());
  EXPECT_EQ(Installation().recipients(), third);
}

TEST_F(OperatorServiceTest, TokensAreForUsableNamesAndShortLives) {
  ASSERT_TRUE(Initialize(agent_).ok());
  EXPECT_TRUE(CreateToken("web-1").ok());
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a/b"),
                                  std::string("a\nb"), std::string(300, 'a')}) {
    EXPECT_EQ(KindOf(CreateToken(name)), ErrorKind::kUsage) << name;
  }
  EXPECT_TRUE(CreateToken("web-2", 7 * 24 * 3600).ok());
  EXPECT_EQ(CodeOf(CreateToken("web-3", 7 * 24 * 3600 + 1)), 5053);
  EXPECT_EQ(CodeOf(CreateToken("web-3", ~0ull)), 5053);
}

TEST_F(OperatorServiceTest, ABackupNeedsTheSourceAndItsAgent) {
  controller_.Enrol(agent_, {"uploads"});
  v1::StartBackupRequest request;
  request.add_source_ids(agent_.Source("nothing").bytes());
  v1::StartJobsReply reply;
  EXPECT_EQ(KindOf(Call(&v1::Operator::Stub::StartBackup, request, &reply)), ErrorKind::kNotFound);
  request.set_source_ids(0, agent_.Source("uploads").bytes());
  EXPECT_EQ(CodeOf(Call(&v1::Operator::Stub::StartBackup, request, &reply)), 6040);

  const auto link = controller_.board().Attach(agent_.identity.agent_id, {});
  ASSERT_TRUE(Call(&v1::Operator::Stub::StartBackup, request, &reply).ok());
  ASSERT_EQ(reply.jobs_size(), 1);
  EXPECT_EQ(reply.jobs(0).agent_name(), "web-1");
  bool closed = false;
  const auto message = link->Pop(&closed);
  ASSERT_TRUE(message != nullptr);
  EXPECT_EQ(message->job().job_id(), reply.jobs(0).job_id());
  EXPECT_EQ(message->job().source_id(), agent_.Source("uploads").bytes());

  v1::StartVerifyRequest verify;
  verify.set_source_id(agent_.Source("uploads").bytes());
  EXPECT_EQ(KindOf(Call(&v1::Operator::Stub::StartVerify, verify, &reply)), ErrorKind::kNotFound)
      << "there is no snapshot";
}

TEST_F(OperatorServiceTest, RemovingAnAgentClosesItsStream) {
  controller_.Enrol(agent_, {"uploads"});
  const auto link = controller_.board().Attach(agent_.identity.agent_id, {});
  v1::RemoveAgentRequest request;
  request.set_name("web-1");
  v1::RemoveAgentReply reply;
  ASSERT_TRUE(Call(&v1::Operator::Stub::RemoveAgent, request, &reply).ok());
  bool closed = false;
  EXPECT_EQ(link->Pop(&closed), nullptr);
  EXPECT_TRUE(closed);
  EXPECT_EQ(KindOf(Call(&v1::Operator::Stub::RemoveAgent, request, &reply)), ErrorKind::kNotFound);
  v1::ListAgentsRequest list;
  v1::ListAgentsReply agents;
  ASSERT_TRUE(Call(&v1::Operator::Stub::ListAgents, list, &agents).ok());
  EXPECT_EQ(agents.agents_size(), 0);
  list.set_include_removed(true);
  ASSERT_TRUE(Call(&v1::Operator::Stub::ListAgents, list, &agents).ok());
  ASSERT_EQ(agents.agents_size(), 1);
  EXPECT_TRUE(agents.agents(0).removed());
}

}  // namespace
}  // namespace holdfast::operator_service
