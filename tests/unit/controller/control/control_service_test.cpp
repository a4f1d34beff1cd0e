// Goal: an agent publishes its own domain only. One that names the domain of another agent joins
// nothing: it learns of no chunk, reads none and owns no source (fault row 50). What it says of
// itself is bounded (fault rows 52 and 56).
#include "controller/control/control_service.h"

#include "common/rpc/status.h"
#include "proto/control.grpc.pb.h"
#include "tests/unit/controller/test_controller.h"

namespace holdfast::control {
namespace {

// The code that refuses an agent which begins with `message`; 0: it is welcome.
int RefusalOf(test::TestController& controller, const rpc::TlsIdentity& login,
              const v1::AgentMessage& message) {
  const auto stub = v1::Control::NewStub(controller.Connect(login));
  grpc::ClientContext context;
  rpc::SetDeadline(context, std::chrono::seconds(20));
  const auto stream = stub->Session(&context);
  v1::ControllerMessage welcome;
  const bool welcomed = stream->Write(message) && stream->Read(&welcome);
  if (welcomed) context.TryCancel();
  const absl::Status end = rpc::FromGrpc(stream->Finish());
  EXPECT_FALSE(end.ok());
  return welcomed ? 0 : CodeOf(end);
}

class PublishDomainTest : public testing::Test {
 protected:
  PublishDomainTest() {
    victim_login_ = controller_.Enrol(victim_, {"uploads"});
    thief_login_ = controller_.EnrolWithoutDomain(thief_);
  }
  // The identity that `agent` certifies itself, with the grant that the owner made for its name.
  Bytes IdentityOf(const test::AgentDomain& agent, const DomainId& domain) {
    const KeyPair grant_secret = Ed25519Generate(victim_.rng);
    AgentIdentity identity = agent.identity;
    identity.domain = domain;
    return SignAgentIdentity(
        identity,
        MakeEnrolmentGrant(victim_.owner, grant_secret.public_key, identity.agent_name, 1),
        grant_secret);
  }
  absl::Status Publish(const rpc::TlsIdentity& login, const test::AgentDomain& agent,
                       const DomainId& domain) {
    const auto stub = v1::Control::NewStub(controller_.Connect(login));
    v1::PublishDomainRequest request;
    request.set_domain_id(domain.bytes());
    request.set_identity(IdentityOf(agent, domain));
    request.set_domain_secrets(agent.secrets_document);
    grpc::ClientContext context;
    rpc::SetDeadline(context, std::chrono::seconds(20));
    v1::PublishDomainReply reply;
    return rpc::FromGrpc(stub->PublishDomain(&context, request, &reply));
  }
  // The code that refuses an agent which says that it has this source; 0: it is welcome.
  int RefusalOfSource(const rpc::TlsIdentity& login, const SourceId& source) {
    v1::AgentMessage hello;
    hello.mutable_hello()->set_protocol_version(rpc::kProtocolVersion);
    v1::SourceInfo* info = hello.mutable_hello()->add_sources();
    info->set_source_id(source.bytes());
    info->set_name("uploads");
    info->set_kind("files");
    return RefusalOf(controller_, login, hello);
  }

  test::TestController controller_;
  test::AgentDomain victim_{5, "web-1"};
  test::AgentDomain thief_{6, "web-2"};
  rpc::TlsIdentity victim_login_, thief_login_;
};

TEST_F(PublishDomainTest, TheDomainOfALivingAgentIsRefused) {
  const DomainId& domain = victim_.secrets.domain;
  const absl::Status refused = Publish(thief_login_, thief_, domain);
  EXPECT_EQ(KindOf(refused), ErrorKind::kConflict) << refused;
  EXPECT_EQ(CodeOf(refused), 5069) << refused;
  EXPECT_EQ(controller_.catalog().GetAgent(thief_.identity.agent_id)->domain, std::nullopt);
  EXPECT_TRUE(
      absl::IsNotFound(controller_.store().GetIdentity(domain, thief_.identity.agent_id).status()));
  EXPECT_EQ(controller_.store().GetIdentity(domain, victim_.identity.agent_id).value(),
            victim_.identity_document);

  EXPECT_EQ(RefusalOfSource(thief_login_, victim_.Source("uploads")), 5026);
  EXPECT_TRUE(Publish(victim_login_, victim_, domain).ok()) << "the agent itself goes on";
  EXPECT_TRUE(Publish(thief_login_, thief_, thief_.secrets.domain).ok()) << "a domain of its own";
}

TEST_F(PublishDomainTest, TheDomainOfARemovedAgentIsNotForOthersEither) {
  ASSERT_TRUE(controller_.catalog().RemoveAgent("web-1").ok());
  EXPECT_EQ(CodeOf(Publish(thief_login_, thief_, victim_.secrets.domain)), 5069);
  EXPECT_EQ(RefusalOfSource(thief_login_, victim_.Source("uploads")), 5026);

  test::AgentDomain successor{7, "web-1"};
  const rpc::TlsIdentity login = controller_.EnrolWithoutDomain(successor);
  const absl::Status joined = Publish(login, successor, victim_.secrets.domain);
  EXPECT_TRUE(joined.ok()) << joined;
  EXPECT_EQ(RefusalOfSource(login, victim_.Source("uploads")), 0);
  EXPECT_EQ(controller_.catalog().GetSource(victim_.Source("uploads"))->agent,
            successor.identity.agent_id);
}

// Fault rows 52 and 56.
class HelloTest : public testing::Test {
 protected:
  HelloTest() { login_ = controller_.Enrol(agent_, {"uploads"}); }
  static v1::AgentMessage Hello(std::uint32_t version = rpc::kProtocolVersion) {
    v1::AgentMessage message;
    message.mutable_hello()->set_protocol_version(version);
    return message;
  }
  v1::SourceInfo* AddSource(v1::AgentMessage* message, const std::string& name) {
    v1::SourceInfo* source = message->mutable_hello()->add_sources();
    source->set_source_id(agent_.Source(name).bytes());
    source->set_name(name);
    source->set_kind("files");
    return source;
  }
  int Say(const v1::AgentMessage& message) { return RefusalOf(controller_, login_, message); }

  test::TestController controller_;
  test::AgentDomain agent_{5};
  rpc::TlsIdentity login_;
};

TEST_F(HelloTest, ComesFirstAndIsBounded) {
  v1::AgentMessage beat;
  beat.mutable_heartbeat()->set_clock_ms(1);
  EXPECT_EQ(Say(beat), 6031);
  EXPECT_EQ(Say(v1::AgentMessage()), 6031);
  EXPECT_EQ(Say(Hello(rpc::kProtocolVersion + 1)), 6030);

  v1::AgentMessage many = Hello();
  for (int i = 0; i < 1001; ++i) AddSource(&many, "s" + std::to_string(i));
  EXPECT_EQ(Say(many), 6032);
  many = Hello();
  for (int i = 0; i < 1'000'000; ++i) many.mutable_hello()->add_running_jobs("");
  EXPECT_EQ(Say(many), 6032);
  for (const std::string& name : {std::string(), std::string(201, 'n')}) {
    v1::AgentMessage named = Hello();
    AddSource(&named, name);
    EXPECT_EQ(Say(named), 6032) << name.size();
  }
  v1::AgentMessage short_id = Hello();
  AddSource(&short_id, "uploads")->set_source_id("short");
  EXPECT_EQ(Say(short_id), 6032);
  EXPECT_EQ(controller_.catalog().ListSources(true)->size(), 1u) << "refused: nothing changed";
}

TEST_F(HelloTest, LongTextsAreCutAndHostileOnesAreTakenAsTheyAre) {
  const std::string hostile = "\x1b]0;owned\x07\n<script>\"'&=cmd|' /C calc'!A0 \xff\xfe";
  v1::AgentMessage message = Hello();
  message.mutable_hello()->set_host(hostile + std::string(1 << 20, 'h'));
  message.mutable_hello()->set_software_version(std::string(1 << 20, 'v'));
  AddSource(&message, hostile)->set_kind(hostile + std::string(1000, 'k'));
  // What is no UTF-8 is no `string` of protobuf: the message does not parse.
  EXPECT_NE(Say(message), 0);
  const std::string text = hostile.substr(0, hostile.size() - 2);
  message = Hello();
  message.mutable_hello()->set_host(text + std::string(1 << 20, 'h'));
  message.mutable_hello()->set_software_version(std::string(1 << 20, 'v'));
  AddSource(&message, text)->set_kind(text + std::string(1000, 'k'));
  EXPECT_EQ(Say(message), 0);
  const auto row = controller_.catalog().GetAgent(agent_.identity.agent_id).value();
  EXPECT_EQ(row.host.size(), 200u);
  EXPECT_EQ(row.software_version.size(), 200u);
  const auto sources = controller_.catalog().ListSources(true).value();
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].name, text) << "escaped where it is shown";
  EXPECT_EQ(sources[0].kind.size(), 200u);
}

}  // namespace
}  // namespace holdfast::control
