// Goal: every method there is is in the table, and every caller that the table does not name is
// refused by the running server: strangers at the handshake, the others at the call (fault rows
// 21, 23, 26, 27, 51).
#include "controller/access/access.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>

#include <filesystem>
#include <set>

#include "common/rpc/status.h"
#include "tests/unit/controller/test_controller.h"

namespace holdfast::access {
namespace {

// "holdfast.v1.Service/Method" of every .proto file in the tree that has a service.
std::set<std::string> DescribedMethods() {
  std::set<std::string> methods;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(HOLDFAST_SOURCE_DIR) + "/proto")) {
    if (file.path().extension() != ".proto") continue;
    const Bytes text = RealFileSystem().ReadFile(file.path()).value();
    if (text.find("\nservice ") == Bytes::npos) continue;
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
        "proto/" + file.path().filename().string());
    if (descriptor == nullptr) {
      ADD_FAILURE() << file.path() << " is not linked in: its services would go unseen";
      continue;
    }
    for (int s = 0; s < descriptor->service_count(); ++s) {
      const auto* service = descriptor->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        methods.insert(service->full_name() + "/" + service->method(m)->name());
      }
    }
  }
  return methods;
}

// Calls `method` with one empty message, whatever its kind, and says how it ended.
absl::Status Call(const std::shared_ptr<grpc::Channel>& channel, std::string_view method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, "/" + std::string(method), &queue);
  call->StartCall(nullptr);
  if (next()) {
    const grpc::Slice nothing("");
    call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
    if (next()) {
      for (bool more = true; more;) {
        grpc::ByteBuffer reply;
        call->Read(&reply, nullptr);
        more = next();
      }
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  return rpc::FromGrpc(status);
}

class AccessTest : public testing::Test {
 protected:
  AccessTest() { identity_ = controller_.Enrol(agent_, {"uploads"}); }

  // 0 when the call got past the access check.
  static int RefusalOf(const std::shared_ptr<grpc::Channel>& channel, std::string_view method) {
    const absl::Status status = Call(channel, method);
    EXPECT_NE(KindOf(status), ErrorKind::kUnreachable) << method << ": " << status;
    EXPECT_NE(CodeOf(status), 6003) << method << " is not served: " << status;
    return CodeOf(status) == 6021 || CodeOf(status) == 6022 ? CodeOf(status) : 0;
  }
  void ExpectRefusedEverywhere(const rpc::TlsIdentity& identity) {
    const auto channel = controller_.Connect(identity);
    for (const MethodRow& row : MethodTable()) EXPECT_EQ(RefusalOf(channel, row.method), 6021);
  }
  void ExpectNoHandshake(const rpc::TlsIdentity& identity, int code) {
    const absl::Status status =
        Call(controller_.Connect(identity), "holdfast.v1.Control/GetRecipients");
    EXPECT_EQ(CodeOf(status), 6001) << status;
    const absl::Status cause =
        rpc::DiagnoseConnection(controller_.address(), identity, RealClock().Now());
    EXPECT_EQ(CodeOf(cause), code) << cause;
    EXPECT_NE(MessageOf(cause).find("certificate"), std::string::npos) << cause;
  }

  test::TestController controller_;
  test::AgentDomain agent_{5};
  rpc::TlsIdentity identity_;
};

TEST(MethodTableTest, NamesExactlyTheMethodsThatExist) {
  std::set<std::string> listed;
  for (const MethodRow& row : MethodTable()) {
    EXPECT_TRUE(listed.insert(std::string(row.method)).second) << row.method << " twice";
    EXPECT_TRUE(row.agent || row.recovery || row.operator_) << row.method << " is for nobody";
  }
  EXPECT_EQ(listed, DescribedMethods());
  EXPECT_GE(listed.size(), 20u);
}

TEST_F(AccessTest, AnAgentCallsItsMethodsOnly) {
  const auto channel = controller_.Connect(identity_);
  for (const MethodRow& row : MethodTable()) {
    EXPECT_EQ(RefusalOf(channel, row.method), row.agent ? 0 : 6022) << row.method;
  }
}

TEST_F(AccessTest, TheRecoveryIdentityReadsOnly) {
  const auto channel =
      controller_.Connect(controller_.Certify(rpc::RecoveryUri(controller_.controller_id())));
  for (const MethodRow& row : MethodTable()) {
    EXPECT_EQ(RefusalOf(channel, row.method), row.recovery ? 0 : 6022) << row.method;
    EXPECT_EQ(row.recovery, row.method.starts_with("holdfast.v1.Restore/")) << row.method;
  }
}

TEST_F(AccessTest, TheOperatorDoesNotSpeakAsAnAgent) {
  const auto channel = controller_.ConnectOperator();
  for (const MethodRow& row : MethodTable()) {
    EXPECT_EQ(RefusalOf(channel, row.method), row.operator_ ? 0 : 6022) << row.method;
  }
}

TEST_F(AccessTest, AnUnknownAgentIsRefusedEverywhere) {
  ExpectRefusedEverywhere(controller_.Certify(
      rpc::AgentUri(controller_.controller_id(), agent_.rng.DrawFixed<AgentId>())));
}

TEST_F(AccessTest, ARemovedAgentIsRefusedAtItsNextCallOnTheSameConnection) {
  const auto channel = controller_.Connect(identity_);
  ASSERT_EQ(RefusalOf(channel, "holdfast.v1.Control/GetRecipients"), 0);
  ASSERT_TRUE(controller_.catalog().RemoveAgent(agent_.identity.agent_name).ok());
  for (const MethodRow& row : MethodTable()) EXPECT_EQ(RefusalOf(channel, row.method), 6021);
}

TEST_F(AccessTest, TheIdOfAnAgentWithAnotherKeyIsRefused) {
  ExpectRefusedEverywhere(
      controller_.Certify(rpc::AgentUri(controller_.controller_id(), agent_.identity.agent_id)));
}

TEST_F(AccessTest, TheFirstCertificateOfAnAgentKnownFromTheStoreGivesItsKey) {
  ASSERT_TRUE(
      controller_.catalog().SetAgentCertificate(agent_.identity.agent_id, Hash256(), 0).ok());
  const auto channel = controller_.Connect(identity_);
  EXPECT_EQ(RefusalOf(channel, "holdfast.v1.Control/GetRecipients"), 0);
  EXPECT_EQ(controller_.catalog().GetAgent(agent_.identity.agent_id)->key_pin,
            rpc::ReadCertificate(identity_.certificate_pem)->key_pin);
  ExpectRefusedEverywhere(
      controller_.Certify(rpc::AgentUri(controller_.controller_id(), agent_.identity.agent_id)));
  EXPECT_EQ(RefusalOf(channel, "holdfast.v1.Control/GetRecipients"), 0);
}

TEST_F(AccessTest, OtherUrisAreRefused) {
  const Bytes& own = controller_.controller_id();
  const Bytes other = agent_.rng.Draw(16);
  for (const std::string& uri :
       {rpc::AgentUri(other, agent_.identity.agent_id), rpc::RecoveryUri(other),
        rpc::ServerUri(own), std::string("spiffe://elsewhere/") + ToHex(own) + "/recovery",
        std::string("https://holdfast/recovery"),
        rpc::RecoveryUri(own) + ",URI:" + rpc::AgentUri(own, agent_.identity.agent_id)}) {
    SCOPED_TRACE(uri);
    ExpectRefusedEverywhere(controller_.Certify(uri));
  }
}

TEST_F(AccessTest, RefusalsAreLoggedWithTheFingerprintOnceAMinute) {
  const rpc::TlsIdentity identity = controller_.Certify(
      rpc::AgentUri(controller_.controller_id(), agent_.rng.DrawFixed<AgentId>()));
  const std::string fingerprint = rpc::ReadCertificate(identity.certificate_pem)->fingerprint.hex();
  const auto channel = controller_.Connect(identity);
  const auto log_of_calls = [&](int count) {
    testing::internal::CaptureStderr();
    for (int i = 0; i < count; ++i) RefusalOf(channel, "holdfast.v1.Control/GetRecipients");
    return testing::internal::GetCapturedStderr();
  };
  const std::string first = log_of_calls(5);
  const std::size_t at = first.find(fingerprint);
  ASSERT_NE(at, std::string::npos) << first;
  EXPECT_EQ(first.find(fingerprint, at + 1), std::string::npos) << "more than one line: " << first;
  EXPECT_NE(first.find("127.0.0.1"), std::string::npos) << first;
  EXPECT_NE(first.find("no agent has the id"), std::string::npos) << first;
  EXPECT_EQ(log_of_calls(3), "");
  controller_.clock().Move(absl::Minutes(2));
  EXPECT_NE(log_of_calls(1).find("(7 more like it before)"), std::string::npos);
}

TEST_F(AccessTest, ACertificateOfAnotherCaDoesNotConnect) {
  test::TestController other;
  rpc::TlsIdentity identity =
      other.Certify(rpc::AgentUri(controller_.controller_id(), agent_.identity.agent_id));
  identity.authority_pem = identity_.authority_pem;  // it trusts the controller
  ASSERT_EQ(KindOf(rpc::CheckIdentity(identity, RealClock().Now())), ErrorKind::kPermission);
  EXPECT_EQ(CodeOf(Call(controller_.Connect(identity), "holdfast.v1.Control/GetRecipients")), 6001);
}

TEST_F(AccessTest, AControllerOfAnotherCaIsNotTrusted) {
  test::TestController other;
  rpc::TlsIdentity identity =
      other.Certify(rpc::AgentUri(controller_.controller_id(), agent_.identity.agent_id));
  ExpectNoHandshake(identity, 6016);
}

TEST_F(AccessTest, AServerCertificateIsNoClient) {
  ExpectNoHandshake(
      controller_.Certify(rpc::AgentUri(controller_.controller_id(), agent_.identity.agent_id),
                          rpc::CertificateUsage::kServer),
      6024);
}

}  // namespace
}  // namespace holdfast::access
