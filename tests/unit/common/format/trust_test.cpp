// Goal: nobody but the owner can add a recipient or an agent, nobody but a recipient can open a run
// key, and no changed byte of a document passes.
#include "common/format/trust.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

class TrustTest : public testing::Test {
 protected:
  // `opens` must fail for every changed byte and every cut of `document`.
  static void ExpectTamperProof(const Bytes& document, const std::function<bool(ByteView)>& opens) {
    ASSERT_TRUE(opens(document));
    for (std::size_t i = 0; i < document.size(); ++i) {
      for (const int bit : {0x01, 0x80}) {
        Bytes changed = document;
        changed[i] = static_cast<char>(changed[i] ^ bit);
        EXPECT_FALSE(opens(changed)) << "byte " << i;
      }
      EXPECT_FALSE(opens(ByteView(document).substr(0, i))) << "cut at " << i;
    }
    EXPECT_FALSE(opens(document + "x"));
  }

  AgentIdentity MakeIdentity(const EnrolmentGrant& grant) {
    AgentIdentity identity;
    identity.agent_id = rng_.DrawFixed<AgentId>();
    identity.agent_name = grant.agent_name;
    identity.domain = rng_.DrawFixed<DomainId>();
    identity.signing_key = Ed25519Generate(rng_).public_key;
    identity.recipient_key = recipient_.public_key;
    return identity;
  }

  test::SeededRng rng_{21};
  const KeyPair owner_ = Ed25519Generate(rng_);
  const KeyPair stranger_ = Ed25519Generate(rng_);
  const KeyPair grant_key_ = Ed25519Generate(rng_);
  const KeyPair recipient_ = X25519Generate(rng_);
  const KeyPair second_ = X25519Generate(rng_);
  const std::vector<Recipient> one_ = {
      {RecipientRole::kRecovery, "recovery", recipient_.public_key}};
  const std::vector<Recipient> two_ = {
      {RecipientRole::kRecovery, "recovery", recipient_.public_key},
      {RecipientRole::kAgent, "db-1", second_.public_key}};
};

TEST_F(TrustTest, RecipientList) {
  const Bytes document = SignRecipientList({7, two_}, owner_);
  const RecipientList list = OpenRecipientList(document, owner_.public_key).value();
  EXPECT_EQ(list.version, 7u);
  ASSERT_EQ(list.recipients.size(), 2u);
  EXPECT_EQ(list.recipients[1].name, "db-1");
  EXPECT_EQ(list.recipients[1].role, RecipientRole::kAgent);
  EXPECT_EQ(list.recipients[1].key, second_.public_key);
  EXPECT_EQ(CodeOf(OpenRecipientList(document, stranger_.public_key).status()), 4061);
  ExpectTamperProof(
      document, [&](ByteView bytes) { return OpenRecipientList(bytes, owner_.public_key).ok(); });
}

TEST_F(TrustTest, AgentIdentity) {
  const EnrolmentGrant grant =
      MakeEnrolmentGrant(owner_, grant_key_.public_key, "db-1", 1'767'751'200'000);
  const AgentIdentity identity = MakeIdentity(grant);
  const Bytes document = SignAgentIdentity(identity, grant, grant_key_);
  const AgentIdentity read = OpenAgentIdentity(document, owner_.public_key).value();
  EXPECT_EQ(read.agent_id, identity.agent_id);
  EXPECT_EQ(read.agent_name, "db-1");
  EXPECT_EQ(read.domain, identity.domain);
  EXPECT_EQ(read.signing_key, identity.signing_key);
  EXPECT_EQ(read.recipient_key, identity.recipient_key);
  EXPECT_EQ(PeekAgentIdentity(document)->agent_id, identity.agent_id);
  EXPECT_EQ(CodeOf(OpenAgentIdentity(document, stranger_.public_key).status()), 4061);
  ExpectTamperProof(
      document, [&](ByteView bytes) { return OpenAgentIdentity(bytes, owner_.public_key).ok(); });
}

TEST_F(TrustTest, GrantCertifiesOneNameAndOnlyItsHolderSigns) {
  const EnrolmentGrant grant = MakeEnrolmentGrant(owner_, grant_key_.public_key, "db-1", 1);
  AgentIdentity renamed = MakeIdentity(grant);
  renamed.agent_name = "db-2";
  EXPECT_EQ(
      CodeOf(OpenAgentIdentity(SignAgentIdentity(renamed, grant, grant_key_), owner_.public_key)
                 .status()),
      4061);
  EXPECT_EQ(CodeOf(OpenAgentIdentity(SignAgentIdentity(MakeIdentity(grant), grant, stranger_),
                                     owner_.public_key)
                       .status()),
            4061);
  const EnrolmentGrant forged = MakeEnrolmentGrant(stranger_, stranger_.public_key, "db-1", 1);
  EXPECT_EQ(CodeOf(OpenAgentIdentity(SignAgentIdentity(MakeIdentity(forged), forged, stranger_),
                                     owner_.public_key)
                       .status()),
            4061);
  const EnrolmentGrant read = DecodeEnrolmentGrant(EncodeEnrolmentGrant(grant)).value();
  EXPECT_EQ(read.agent_name, grant.agent_name);
  EXPECT_EQ(read.owner_signature, grant.owner_signature);
  EXPECT_EQ(ExitCodeOf(DecodeEnrolmentGrant(EncodeEnrolmentGrant(grant) + "x").status()), 5);
}

TEST_F(TrustTest, KeyEnvelopeOpensForEveryRecipient) {
  const SecretBytes run_key(rng_.Draw(32));
  const KeyId key_id = rng_.DrawFixed<KeyId>();
  const Bytes envelope = SealKeyEnvelope(key_id, rng_.DrawFixed<DomainId>(), run_key, two_, rng_);
  EXPECT_EQ(PeekKeyEnvelope(envelope).value(), key_id);
  EXPECT_EQ(OpenKeyEnvelope(envelope, recipient_)->view(), run_key.view());
  EXPECT_EQ(OpenKeyEnvelope(envelope, second_)->view(), run_key.view());
  const absl::Status refused = OpenKeyEnvelope(envelope, X25519Generate(rng_)).status();
  EXPECT_EQ(CodeOf(refused), 4029);
  EXPECT_EQ(ExitCodeOf(refused), 12);
}

TEST_F(TrustTest, KeyEnvelopeIsTamperProof) {
  const SecretBytes run_key(rng_.Draw(32));
  const Bytes envelope =
      SealKeyEnvelope(rng_.DrawFixed<KeyId>(), rng_.DrawFixed<DomainId>(), run_key, one_, rng_);
  ExpectTamperProof(envelope,
                    [&](ByteView bytes) { return OpenKeyEnvelope(bytes, recipient_).ok(); });
}

TEST_F(TrustTest, EnvelopeOfAnotherKeyIdDoesNotOpen) {
  // The copies of one envelope under the head of another: the head is the context of the seal.
  const DomainId domain = rng_.DrawFixed<DomainId>();
  const SecretBytes run_key(rng_.Draw(32));
  Bytes first = SealKeyEnvelope(rng_.DrawFixed<KeyId>(), domain, run_key, one_, rng_);
  const Bytes second = SealKeyEnvelope(rng_.DrawFixed<KeyId>(), domain, run_key, one_, rng_);
  first.replace(0, 8 + 16, second.substr(0, 8 + 16));
  EXPECT_EQ(ExitCodeOf(OpenKeyEnvelope(first, recipient_).status()), 5);
}

TEST_F(TrustTest, DomainSecrets) {
  const DomainSecrets secrets = MakeDomainSecrets(rng_);
  const Bytes document = SealDomainSecrets(secrets, two_, rng_);
  const DomainSecrets read = OpenDomainSecrets(document, second_).value();
  EXPECT_EQ(read.domain, secrets.domain);
  EXPECT_EQ(read.id_key.view(), secrets.id_key.view());
  EXPECT_EQ(read.chunker_key.view(), secrets.chunker_key.view());
  EXPECT_EQ(CodeOf(OpenDomainSecrets(document, X25519Generate(rng_)).status()), 4029);
  ExpectTamperProof(SealDomainSecrets(secrets, one_, rng_),
                    [&](ByteView bytes) { return OpenDomainSecrets(bytes, recipient_).ok(); });
  EXPECT_EQ(DeriveSourceId(read, "db"), DeriveSourceId(secrets, "db"));
  EXPECT_NE(DeriveSourceId(secrets, "db"), DeriveSourceId(secrets, "db2"));
  EXPECT_NE(DeriveSourceId(secrets, "db"), DeriveSourceId(MakeDomainSecrets(rng_), "db"));
}

TEST_F(TrustTest, TextOpensForItsReadersInItsContext) {
  const Bytes document = SealText("job 7", "details", two_, rng_);
  EXPECT_EQ(OpenText("job 7", document, recipient_)->view(), "details");
  EXPECT_EQ(OpenText("job 7", document, second_)->view(), "details");
  EXPECT_EQ(CodeOf(OpenText("job 7", document, X25519Generate(rng_)).status()), 4029);
  EXPECT_EQ(ExitCodeOf(OpenText("job 8", document, recipient_).status()), 5);
  ExpectTamperProof(SealText("job 7", "details", one_, rng_),
                    [&](ByteView bytes) { return OpenText("job 7", bytes, recipient_).ok(); });
}

TEST_F(TrustTest, SignatureOfOneDocumentDoesNotFitAnother) {
  const Bytes list = SignRecipientList({1, {}}, owner_);
  Bytes as_grant =
      EncodeEnrolmentGrant(MakeEnrolmentGrant(owner_, grant_key_.public_key, "db-1", 1));
  as_grant.replace(as_grant.size() - Signature::kSize, Signature::kSize,
                   list.substr(list.size() - Signature::kSize));
  const EnrolmentGrant forged = DecodeEnrolmentGrant(as_grant).value();
  EXPECT_FALSE(OpenAgentIdentity(SignAgentIdentity(MakeIdentity(forged), forged, grant_key_),
                                 owner_.public_key)
                   .ok());
}

}  // namespace
}  // namespace holdfast
