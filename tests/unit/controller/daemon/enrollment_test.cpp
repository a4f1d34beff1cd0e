// Goal: a join token works once, for its agent, for whoever sees the pinned CA; every refusal looks
// the same, and guessing is slow (fault row 25).
#include "controller/daemon/enrollment.h"

#include <gtest/gtest.h>

#include "agent/daemon/enrollment_client.h"
#include "common/base/error.h"
#include "common/rpc/tls.h"
#include "tests/support/agent_domain.h"
#include "tests/support/moved_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

class EnrollmentTest : public testing::Test {
 protected:
  EnrollmentTest() {
    catalog_ = catalog::Catalog::Open(env_, directory_ / "catalog.db").value();
    controller_id_ = catalog_->GetInstallation()->controller_id;
    authority_ = std::make_unique<Authority>(
        Authority::Open(env_, directory_.path(), controller_id_).value());
    EXPECT_TRUE(catalog_->SetOwner(agent_.owner.public_key, agent_.Recipients(), 1).ok());
    server_ = EnrollmentServer::Start(
                  {env_, catalog_.get(), authority_.get(), HostPort{"127.0.0.1", 0}, 4711, ""})
                  .value();
    AddToken("web-1", absl::Minutes(15));
  }
  void AddToken(const std::string& name, absl::Duration life) {
    token_ = agent_.rng.Draw(16);
    secret_ = SecretBytes(agent_.rng.Draw(16));
    const auto expires = static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.Now() + life));
    ASSERT_TRUE(catalog_->AddToken({token_, Sha256(secret_.view()), name, expires}).ok());
  }
  EnrollRequest Request() {
    EnrollRequest request;
    request.address = "127.0.0.1:" + std::to_string(server_->port());
    request.ca_fingerprint = authority_->ca_fingerprint();
    request.token_id = token_;
    request.secret = secret_;
    request.agent_id = agent_.rng.DrawFixed<AgentId>();
    request.agent_name = "web-1";
    request.csr_pem = rpc::MakeRequest(key_).value();
    request.host = "host";
    return request;
  }
  RecoverRequest Recovery() {
    return {Request().address, authority_->ca_fingerprint(), agent_.owner, Request().csr_pem,
            clock_.Now()};
  }

  test::TempDir directory_;
  test::AgentDomain agent_{17};
  test::MovedClock clock_;
  const Env env_{clock_, agent_.rng, RealFileSystem()};
  std::unique_ptr<catalog::Catalog> catalog_;
  Bytes controller_id_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<EnrollmentServer> server_;
  const SecretBytes key_ = rpc::MakeKeyPem();
  Bytes token_;
  SecretBytes secret_;
};

TEST_F(EnrollmentTest, ATokenGivesACertificateForItsAgent) {
  const EnrollRequest request = Request();
  const auto grant = RequestEnrollment(request);
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->controller_id, controller_id_);
  EXPECT_EQ(grant->agent_address, "127.0.0.1:4711");
  EXPECT_EQ(grant->authority_pem, authority_->ca_pem());
  const auto facts = rpc::ReadCertificate(grant->certificate_pem).value();
  EXPECT_EQ(facts.uri, rpc::AgentUri(controller_id_, request.agent_id));
  EXPECT_TRUE(
      rpc::CheckIdentity({grant->authority_pem, grant->certificate_pem, key_}, clock_.Now()).ok());
  const auto row = catalog_->GetAgent(request.agent_id).value();
  EXPECT_EQ(row.name, "web-1");
  EXPECT_EQ(row.key_pin, facts.key_pin);
}

TEST_F(EnrollmentTest, EveryRefusalOfATokenLooksTheSame) {
  std::vector<absl::Status> refusals;
  ASSERT_TRUE(RequestEnrollment(Request()).ok());
  refusals.push_back(RequestEnrollment(Request()).status());  // used
  AddToken("web-2", absl::Minutes(15));
  EnrollRequest wrong = Request();
  wrong.agent_name = "web-2";
  wrong.secret = SecretBytes(agent_.rng.Draw(16));
  refusals.push_back(RequestEnrollment(wrong).status());
  wrong = Request();
  wrong.agent_name = "another";
  refusals.push_back(RequestEnrollment(wrong).status());
  wrong = Request();
  wrong.token_id = agent_.rng.Draw(16);  // unknown
  refusals.push_back(RequestEnrollment(wrong).status());
  AddToken("web-3", absl::Minutes(15));
  clock_.Move(absl::Minutes(16));
  wrong = Request();
  wrong.agent_name = "web-3";
  refusals.push_back(RequestEnrollment(wrong).status());  // expired
  for (const absl::Status& refusal : refusals) {
    EXPECT_EQ(KindOf(refusal), ErrorKind::kPermission) << refusal;
    EXPECT_EQ(CodeOf(refusal), 6020) << refusal;
    EXPECT_EQ(MessageOf(refusal), MessageOf(refusals[0]));
    EXPECT_EQ(HintOf(refusal), HintOf(refusals[0]));
  }
  EXPECT_EQ(catalog_->ListAgents(true)->size(), 1u);
}

TEST_F(EnrollmentTest, GuessingIsLimitedPerMinute) {
  EnrollRequest wrong = Request();
  wrong.secret = SecretBytes(agent_.rng.Draw(16));
  for (int i = 0; i < kTriesPerMinute; ++i) {
    EXPECT_EQ(CodeOf(RequestEnrollment(wrong).status()), 6020) << i;
  }
  const auto limited = RequestEnrollment(Request()).status();
  EXPECT_FALSE(limited.ok()) << "the right secret, one try too late";
  EXPECT_NE(CodeOf(limited), 6020);
  EXPECT_TRUE(catalog_->ListAgents(true)->empty());
  clock_.Move(absl::Seconds(61));
  EXPECT_TRUE(RequestEnrollment(Request()).ok());
}

TEST_F(EnrollmentTest, AnotherCaIsNotTrustedWithTheSecret) {
  EnrollRequest request = Request();
  request.ca_fingerprint = agent_.rng.DrawFixed<Hash256>();
  const auto status = RequestEnrollment(request).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6063);
  EXPECT_TRUE(RequestEnrollment(Request()).ok()) << "the token was not used up";
}

TEST_F(EnrollmentTest, NobodyThereIsUnreachable) {
  const EnrollRequest request = Request();
  server_.reset();
  EXPECT_EQ(KindOf(RequestEnrollment(request).status()), ErrorKind::kUnreachable);
}

TEST_F(EnrollmentTest, ARequestThatIsNoneIsRefusedAndKeepsTheToken) {
  EnrollRequest bad = Request();
  bad.csr_pem = "text";
  EXPECT_FALSE(RequestEnrollment(bad).ok());
  bad = Request();
  bad.agent_id = AgentId();
  EXPECT_FALSE(RequestEnrollment(bad).ok());
  EXPECT_TRUE(RequestEnrollment(Request()).ok());
}

TEST_F(EnrollmentTest, TheOwnerGetsARecoveryCertificate) {
  const auto grant = RequestRecovery(Recovery());
  ASSERT_TRUE(grant.ok()) << grant.status();
  const auto facts = rpc::ReadCertificate(grant->certificate_pem).value();
  EXPECT_EQ(facts.uri, rpc::RecoveryUri(controller_id_));
  EXPECT_LE(facts.not_after, clock_.Now() + kRecoveryCertificateLife + absl::Minutes(1));
}

TEST_F(EnrollmentTest, RecoveryNeedsTheOwnersKeyAndAClock) {
  RecoverRequest stranger = Recovery();
  stranger.owner = Ed25519Generate(agent_.rng);
  EXPECT_EQ(CodeOf(RequestRecovery(stranger).status()), 6053);
  for (const absl::Duration apart : {absl::Minutes(11), -absl::Minutes(11)}) {
    RecoverRequest late = Recovery();
    late.now += apart;
    EXPECT_EQ(CodeOf(RequestRecovery(late).status()), 6053);
  }
  EXPECT_TRUE(RequestRecovery(Recovery()).ok());
}

}  // namespace
}  // namespace holdfast::daemon
