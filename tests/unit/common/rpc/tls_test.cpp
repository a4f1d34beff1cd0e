// Goal: certificates say who somebody is and nothing more, and what does not hold is told before a
// handshake fails (fault rows 20, 21, 22).
#include "common/rpc/tls.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::rpc {
namespace {

class TlsTest : public testing::Test {
 protected:
  TlsIdentity Identity(const std::string& uri, absl::Duration from = -absl::Hours(1),
                       absl::Duration to = absl::Hours(1),
                       CertificateUsage usage = CertificateUsage::kClient) {
    TlsIdentity identity;
    identity.authority_pem = authority_.certificate_pem;
    identity.key_pem = MakeKeyPem();
    identity.certificate_pem = SignRequest(authority_, *MakeRequest(identity.key_pem),
                                           {uri, usage, now_ + from, now_ + to})
                                   .value();
    return identity;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const CertifiedKey authority_ = MakeAuthority("test CA", now_).value();
  test::SeededRng rng_{1};
  const Bytes controller_id_ = rng_.Draw(16);
  const AgentId agent_ = rng_.DrawFixed<AgentId>();
};

TEST_F(TlsTest, ACertificateSaysWhoAndWhen) {
  const TlsIdentity identity = Identity(AgentUri(controller_id_, agent_));
  const CertificateFacts facts = ReadCertificate(identity.certificate_pem).value();
  EXPECT_EQ(facts.uri, AgentUri(controller_id_, agent_));
  EXPECT_EQ(facts.not_before, now_ - absl::Hours(1));
  EXPECT_EQ(facts.not_after, now_ + absl::Hours(1));
  EXPECT_FALSE(facts.is_authority);
  EXPECT_TRUE(ReadCertificate(authority_.certificate_pem)->is_authority);
  EXPECT_TRUE(CheckIdentity(identity, now_).ok());
}

TEST_F(TlsTest, ThePinIsOfTheKeyAndTheFingerprintOfTheCertificate) {
  const SecretBytes key = MakeKeyPem();
  const auto sign = [&] {
    const std::string pem = SignRequest(authority_, *MakeRequest(key),
                                        {"spiffe://holdfast/00/recovery", CertificateUsage::kClient,
                                         now_, now_ + absl::Hours(1)})
                                .value();
    return ReadCertificate(pem).value();
  };
  const CertificateFacts first = sign(), second = sign();
  EXPECT_EQ(first.key_pin, second.key_pin) << "renewed with the same key";
  EXPECT_NE(first.fingerprint, second.fingerprint);
  EXPECT_NE(first.key_pin, ReadCertificate(Identity("spiffe://x").certificate_pem)->key_pin);
}

TEST_F(TlsTest, ExpiredAndNotYetValidAreTold) {
  for (const auto& [from, to] :
       {std::pair{-absl::Hours(3), -absl::Hours(2)}, std::pair{absl::Hours(2), absl::Hours(3)}}) {
    const auto status = CheckIdentity(Identity("spiffe://x", from, to), now_);
    EXPECT_EQ(KindOf(status), ErrorKind::kPermission);
    EXPECT_EQ(CodeOf(status), 6015);
    EXPECT_NE(MessageOf(status).find("2027-01-15 08:00:00 UTC"), std::string::npos)
        << "the local clock is named: " << status;
    EXPECT_NE(MessageOf(status).find(
                  absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now_ + to, absl::UTCTimeZone())),
              std::string::npos);
  }
}

TEST_F(TlsTest, AKeyThatDoesNotFitIsTold) {
  TlsIdentity identity = Identity("spiffe://x");
  identity.key_pem = MakeKeyPem();
  EXPECT_EQ(CodeOf(CheckIdentity(identity, now_)), 6013);
}

TEST_F(TlsTest, ACertificateOfAnotherCaIsTold) {
  TlsIdentity identity = Identity("spiffe://x");
  identity.authority_pem = MakeAuthority("test CA", now_)->certificate_pem;
  EXPECT_EQ(CodeOf(CheckIdentity(identity, now_)), 6014);
}

TEST_F(TlsTest, TextThatIsNoPemIsTold) {
  const TlsIdentity good = Identity("spiffe://x");
  for (const std::string& text :
       {std::string(), std::string("text"), good.certificate_pem.substr(0, 100)}) {
    TlsIdentity bad = good;
    bad.certificate_pem = text;
    EXPECT_EQ(CodeOf(CheckIdentity(bad, now_)), 6010);
    bad = good;
    bad.authority_pem = text;
    EXPECT_EQ(CodeOf(CheckIdentity(bad, now_)), 6010);
    bad = good;
    bad.key_pem = SecretBytes(text);
    EXPECT_EQ(CodeOf(CheckIdentity(bad, now_)), 6010);
    EXPECT_FALSE(ReadCertificate(text).ok());
    EXPECT_FALSE(MakeRequest(SecretBytes(text)).ok());
    EXPECT_FALSE(
        SignRequest(authority_, text, {"spiffe://x", CertificateUsage::kClient, now_, now_}).ok());
  }
}

TEST_F(TlsTest, ARequestThatWasChangedIsNotSigned) {
  std::string request = *MakeRequest(MakeKeyPem());
  // One letter in the middle of the base64 text.
  char& letter = request[request.size() / 2];
  letter = letter == 'A' ? 'B' : 'A';
  EXPECT_FALSE(
      SignRequest(authority_, request, {"spiffe://x", CertificateUsage::kClient, now_, now_}).ok());
}

TEST_F(TlsTest, TwoUrisAreNone) {
  EXPECT_EQ(ReadCertificate(Identity("spiffe://a,URI:spiffe://b").certificate_pem)->uri, "");
}

TEST_F(TlsTest, UrisComeBack) {
  const auto agent = ParseUri(AgentUri(controller_id_, agent_));
  ASSERT_TRUE(agent.has_value());
  EXPECT_EQ(agent->kind, PeerUri::Kind::kAgent);
  EXPECT_EQ(agent->agent, agent_);
  EXPECT_EQ(agent->controller_id, controller_id_);
  EXPECT_EQ(ParseUri(RecoveryUri(controller_id_))->kind, PeerUri::Kind::kRecovery);
  EXPECT_EQ(ParseUri(ServerUri(controller_id_))->kind, PeerUri::Kind::kServer);
}

TEST_F(TlsTest, OtherUrisAreNone) {
  const std::string good = AgentUri(controller_id_, agent_);
  for (const std::string& uri :
       {std::string(), std::string("spiffe://holdfast/"), good + "0", good + "/",
        good.substr(0, good.size() - 2), "x" + good, std::string("spiffe://holdfast/zz/recovery"),
        std::string("spiffe://holdfast/00/recovery/"), std::string("spiffe://holdfast/00/other"),
        std::string("spiffe://elsewhere/00/recovery"), std::string("spiffe://holdfast/00")}) {
    EXPECT_FALSE(ParseUri(uri).has_value()) << uri;
  }
}

}  // namespace
}  // namespace holdfast::rpc
