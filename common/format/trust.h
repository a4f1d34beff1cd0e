// The documents that say who may decrypt and who signs: recipient list, agent identity, key
// envelope, domain secrets.
//
// Trust chain: owner key (Ed25519, pinned by agents at enrolment, printed in the recovery kit)
//   ─signs→ recipient list (who may open run keys)
//   ─signs→ enrolment grant (a one-time Ed25519 key inside a join token) ─signs→ agent identity
//   (the agent's signing and recipient keys and its domain). So a controller can add neither a
//   recipient nor an agent.
// Layout:     every document is 8 magic bytes ‖ fields, length-prefixed (u32) where they vary ‖
//             signature 64 where one is named.
// Threading:  values.
// Errors:     kIntegrity 4060… for damage and bad signatures, kPermission 4029 "key does not open
//             this domain".
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"

namespace holdfast {

enum class RecipientRole : std::uint8_t {
  kRecovery = 1,
  kOperator = 2,
  kAuditor = 3,
  kDrill = 4,
  kAgent = 5
};

struct Recipient {
  RecipientRole role = RecipientRole::kOperator;
  std::string name;
  PublicKey key;  // X25519
};

struct RecipientList {
  std::uint64_t version = 1;  // grows by one with every change
  std::vector<Recipient> recipients;
};

Bytes SignRecipientList(const RecipientList& list, const KeyPair& owner);
absl::StatusOr<RecipientList> OpenRecipientList(ByteView document, const PublicKey& owner);

// Lets the holder of `grant_secret` certify one agent's keys until expiry. Made by `holdfast
// enroll`.
struct EnrolmentGrant {
  PublicKey grant_key;
  std::string agent_name;
  std::uint64_t expires_at_ms = 0;
  Signature owner_signature;
};
EnrolmentGrant MakeEnrolmentGrant(const KeyPair& owner, const PublicKey& grant_key,
                                  std::string agent_name, std::uint64_t expires_at_ms);
Bytes EncodeEnrolmentGrant(const EnrolmentGrant& grant);
absl::StatusOr<EnrolmentGrant> DecodeEnrolmentGrant(ByteView bytes);  // no signature check

struct AgentIdentity {
  AgentId agent_id;
  std::string agent_name;
  DomainId domain;
  PublicKey signing_key;    // Ed25519: signs snapshot records
  PublicKey recipient_key;  // X25519: opens run keys; zero for a write-only agent
};
// `grant_secret` is the Ed25519 key pair of grant.grant_key.
Bytes SignAgentIdentity(const AgentIdentity& identity, const EnrolmentGrant& grant,
                        const KeyPair& grant_secret);
// Checks the chain to the owner. The grant's expiry limits enrolment, not the life of the identity.
absl::StatusOr<AgentIdentity> OpenAgentIdentity(ByteView document, const PublicKey& owner);
// Without check, for the controller before it knows an owner, and for listings.
absl::StatusOr<AgentIdentity> PeekAgentIdentity(ByteView document);

// Run data key sealed to every recipient.
Bytes SealKeyEnvelope(const KeyId& key_id, const DomainId& domain, const SecretBytes& run_key,
                      const std::vector<Recipient>& recipients, Rng& rng);
absl::StatusOr<KeyId> PeekKeyEnvelope(ByteView envelope);
absl::StatusOr<SecretBytes> OpenKeyEnvelope(ByteView envelope, const KeyPair& recipient);

// Secrets of a domain, made on its first agent.
struct DomainSecrets {
  DomainId domain;
  SecretBytes id_key;       // 32: HMAC key of chunk ids
  SecretBytes chunker_key;  // 32: seeds the gear table
};
DomainSecrets MakeDomainSecrets(Rng& rng);
Bytes SealDomainSecrets(const DomainSecrets& secrets, const std::vector<Recipient>& recipients,
                        Rng& rng);
absl::StatusOr<DomainSecrets> OpenDomainSecrets(ByteView document, const KeyPair& recipient);
// A text for a few readers that passes others on its way: job reports and restore options. Opens
// only with the same context.
Bytes SealText(ByteView context, ByteView text, const std::vector<Recipient>& readers, Rng& rng);
absl::StatusOr<SecretBytes> OpenText(ByteView context, ByteView document, const KeyPair& reader);
inline constexpr ByteView kJobDetailContext = "holdfast job detail v1";
inline constexpr ByteView kRestoreOptionsContext = "holdfast restore options v1";

SourceId DeriveSourceId(const DomainSecrets& secrets, std::string_view source_name);

}  // namespace holdfast
