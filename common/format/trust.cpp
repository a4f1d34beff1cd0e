#include "common/format/trust.h"

#include <optional>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kRecipientsMagic{"HFRCPT1\n", 8};
constexpr ByteView kGrantMagic{"HFGRNT1\n", 8};
constexpr ByteView kIdentityMagic{"HFIDNT1\n", 8};
constexpr ByteView kEnvelopeMagic{"HFENVL1\n", 8};
constexpr ByteView kSecretsMagic{"HFDOMN1\n", 8};
constexpr ByteView kTextMagic{"HFTEXT1\n", 8};
constexpr std::size_t kMaxRecipients = 1000;

absl::Status Damaged(std::string_view document) {
  return Error(ErrorKind::kIntegrity, 4060,
               fmt::format("unable to read {}: it is cut or damaged", document));
}

absl::Status NotTheOwner(std::string_view document) {
  return Error(
      ErrorKind::kIntegrity, 4061,
      fmt::format("unable to trust {}: it is not signed by this installation's owner", document),
      "Someone may be trying to read or forge your backups: check the controller before you go "
      "on.");
}

// Text in front of what is signed, so that a signature on one document never fits another.
Bytes SignedText(ByteView magic, ByteView body) {
  return Bytes("holdfast signature ") + Bytes(magic) + Bytes(body);
}

Bytes GrantBody(const EnrolmentGrant& grant) {
  Writer writer;
  writer.Raw(grant.grant_key.view());
  writer.Field(grant.agent_name);
  writer.U64(grant.expires_at_ms);
  return writer.Take();
}

// One sealed copy per recipient: public key ‖ field(sealed).
void WriteSealedCopies(Writer* writer, const std::vector<Recipient>& recipients, ByteView context,
                       ByteView secret, Rng& rng) {
  writer->U16(static_cast<std::uint16_t>(recipients.size()));
  for (const Recipient& recipient : recipients) {
    writer->Raw(recipient.key.view());
    writer->Field(SealTo(recipient.key, context, secret, rng));
  }
}

absl::StatusOr<SecretBytes> OpenSealedCopy(Reader* reader, std::string_view document,
                                           ByteView context, const KeyPair& recipient) {
  const std::uint16_t count = reader->U16();
  std::optional<ByteView> ours;
  for (int i = 0; i < count && reader->ok(); ++i) {
    const PublicKey key = reader->Id<PublicKey>();
    const ByteView sealed = reader->Field();
    if (!ours && key == recipient.public_key) ours = sealed;
  }
  if (!reader->AtEnd()) return Damaged(document);  // the whole document has to fit its count
  if (ours) return OpenSealed(recipient, context, *ours);
  return Error(
      ErrorKind::kPermission, 4029,
      fmt::format(
          "unable to open {}: this key does not open this domain ({} recipients, none is this key)",
          document, count),
      "Use the key of a recipient: the agent's own, an operator's, or the recovery key.");
}

struct IdentityParts {
  AgentIdentity identity;
  EnrolmentGrant grant;
  ByteView signed_body;
  ByteView signature;
};

absl::StatusOr<IdentityParts> SplitIdentity(ByteView document) {
  IdentityParts parts;
  Reader reader(document);
  reader.Magic(kIdentityMagic);
  const std::size_t begin = document.size() - reader.remaining();
  parts.identity.agent_id = reader.Id<AgentId>();
  parts.identity.agent_name = reader.Field();
  parts.identity.domain = reader.Id<DomainId>();
  parts.identity.signing_key = reader.Id<PublicKey>();
  parts.identity.recipient_key = reader.Id<PublicKey>();
  const ByteView grant = reader.Field();
  if (!reader.ok()) return Damaged("agent identity");
  parts.signed_body = document.substr(begin, document.size() - reader.remaining() - begin);
  parts.signature = reader.Raw(Signature::kSize);
  if (!reader.AtEnd()) return Damaged("agent identity");
  ASSIGN_OR_RETURN(parts.grant, DecodeEnrolmentGrant(grant));
  return parts;
}

}  // namespace

Bytes SignRecipientList(const RecipientList& list, const KeyPair& owner) {
  Writer body;
  body.U64(list.version);
  body.U16(static_cast<std::uint16_t>(list.recipients.size()));
  for (const Recipient& recipient : list.recipients) {
    body.U8(static_cast<std::uint8_t>(recipient.role));
    body.Field(recipient.name);
    body.Raw(recipient.key.view());
  }
  const Signature signature = Ed25519Sign(owner, SignedText(kRecipientsMagic, body.bytes()));
  return Bytes(kRecipientsMagic) + body.bytes() + signature.bytes();
}

absl::StatusOr<RecipientList> OpenRecipientList(ByteView document, const PublicKey& owner) {
  constexpr std::string_view kName = "recipient list";
  Reader reader(document);
  reader.Magic(kRecipientsMagic);
  RecipientList list;
  list.version = reader.U64();
  const std::uint16_t count = reader.U16();
  if (!reader.ok() || count > kMaxRecipients) return Damaged(kName);
  for (int i = 0; i < count && reader.ok(); ++i) {
    Recipient recipient;
    recipient.role = static_cast<RecipientRole>(reader.U8());
    recipient.name = reader.Field();
    recipient.key = reader.Id<PublicKey>();
    list.recipients.push_back(std::move(recipient));
  }
  const std::size_t body_end = document.size() - reader.remaining();
  const ByteView signature = reader.Raw(Signature::kSize);
  if (!reader.AtEnd()) return Damaged(kName);
  const ByteView body =
      document.substr(kRecipientsMagic.size(), body_end - kRecipientsMagic.size());
  if (!Ed25519Verify(owner, SignedText(kRecipientsMagic, body), signature))
    return NotTheOwner(kName);
  return list;
}

EnrolmentGrant MakeEnrolmentGrant(const KeyPair& owner, const PublicKey& grant_key,
                                  std::string agent_name, std::uint64_t expires_at_ms) {
  EnrolmentGrant grant{grant_key, std::move(agent_name), expires_at_ms, {}};
  grant.owner_signature = Ed25519Sign(owner, SignedText(kGrantMagic, GrantBody(grant)));
  return grant;
}

Bytes EncodeEnrolmentGrant(const EnrolmentGrant& grant) {
  return Bytes(kGrantMagic) + GrantBody(grant) + grant.owner_signature.bytes();
}

absl::StatusOr<EnrolmentGrant> DecodeEnrolmentGrant(ByteView bytes) {
  Reader reader(bytes);
  reader.Magic(kGrantMagic);
  EnrolmentGrant grant;
  grant.grant_key = reader.Id<PublicKey>();
  grant.agent_name = reader.Field();
  grant.expires_at_ms = reader.U64();
  grant.owner_signature = reader.Id<Signature>();
  if (!reader.AtEnd()) return Damaged("enrolment grant");
  return grant;
}

Bytes SignAgentIdentity(const AgentIdentity& identity, const EnrolmentGrant& grant,
                        const KeyPair& grant_secret) {
  Writer body;
  body.Raw(identity.agent_id.view());
  body.Field(identity.agent_name);
  body.Raw(identity.domain.view());
  body.Raw(identity.signing_key.view());
  body.Raw(identity.recipient_key.view());
  body.Field(EncodeEnrolmentGrant(grant));
  const Signature signature = Ed25519Sign(grant_secret, SignedText(kIdentityMagic, body.bytes()));
  return Bytes(kIdentityMagic) + body.bytes() + signature.bytes();
}

absl::StatusOr<AgentIdentity> OpenAgentIdentity(ByteView document, const PublicKey& owner) {
  ASSIGN_OR_RETURN(IdentityParts parts, SplitIdentity(document));
  const EnrolmentGrant& grant = parts.grant;
  if (!Ed25519Verify(owner, SignedText(kGrantMagic, GrantBody(grant)),
                     grant.owner_signature.view()) ||
      !Ed25519Verify(grant.grant_key, SignedText(kIdentityMagic, parts.signed_body),
                     parts.signature) ||
      grant.agent_name != parts.identity.agent_name) {
    return NotTheOwner(
        fmt::format("the identity of agent '{}'", Escaped(parts.identity.agent_name)));
  }
  return std::move(parts.identity);
}

absl::StatusOr<AgentIdentity> PeekAgentIdentity(ByteView document) {
  ASSIGN_OR_RETURN(IdentityParts parts, SplitIdentity(document));
  return std::move(parts.identity);
}

Bytes SealKeyEnvelope(const KeyId& key_id, const DomainId& domain, const SecretBytes& run_key,
                      const std::vector<Recipient>& recipients, Rng& rng) {
  Writer writer;
  writer.Raw(kEnvelopeMagic);
  writer.Raw(key_id.view());
  writer.Raw(domain.view());
  const Bytes context = writer.bytes();
  WriteSealedCopies(&writer, recipients, context, run_key.view(), rng);
  return writer.Take();
}

absl::StatusOr<KeyId> PeekKeyEnvelope(ByteView envelope) {
  Reader reader(envelope);
  reader.Magic(kEnvelopeMagic);
  const KeyId id = reader.Id<KeyId>();
  if (!reader.ok()) return Damaged("key envelope");
  return id;
}

absl::StatusOr<SecretBytes> OpenKeyEnvelope(ByteView envelope, const KeyPair& recipient) {
  Reader reader(envelope);
  reader.Magic(kEnvelopeMagic);
  const KeyId id = reader.Id<KeyId>();
  reader.Id<DomainId>();
  if (!reader.ok()) return Damaged("key envelope");
  const ByteView context = envelope.substr(0, envelope.size() - reader.remaining());
  const std::string name = fmt::format("key envelope '{}'", id.hex());
  ASSIGN_OR_RETURN(SecretBytes key, OpenSealedCopy(&reader, name, context, recipient));
  if (key.size() != 32) return Damaged(name);
  return key;
}

DomainSecrets MakeDomainSecrets(Rng& rng) {
  return {rng.DrawFixed<DomainId>(), SecretBytes::Take(rng.Draw(32)),
          SecretBytes::Take(rng.Draw(32))};
}

Bytes SealDomainSecrets(const DomainSecrets& secrets, const std::vector<Recipient>& recipients,
                        Rng& rng) {
  Writer writer;
  writer.Raw(kSecretsMagic);
  writer.Raw(secrets.domain.view());
  const Bytes context = writer.bytes();
  const SecretBytes both =
      SecretBytes::Take(Bytes(secrets.id_key.view()) + Bytes(secrets.chunker_key.view()));
  WriteSealedCopies(&writer, recipients, context, both.view(), rng);
  return writer.Take();
}

absl::StatusOr<DomainSecrets> OpenDomainSecrets(ByteView document, const KeyPair& recipient) {
  constexpr std::string_view kName = "domain secrets";
  Reader reader(document);
  reader.Magic(kSecretsMagic);
  DomainSecrets secrets;
  secrets.domain = reader.Id<DomainId>();
  if (!reader.ok()) return Damaged(kName);
  const ByteView context = document.substr(0, document.size() - reader.remaining());
  ASSIGN_OR_RETURN(const SecretBytes both, OpenSealedCopy(&reader, kName, context, recipient));
  if (both.size() != 64) return Damaged(kName);
  secrets.id_key = SecretBytes(both.view().substr(0, 32));
  secrets.chunker_key = SecretBytes(both.view().substr(32));
  return secrets;
}

Bytes SealText(ByteView context, ByteView text, const std::vector<Recipient>& readers, Rng& rng) {
  Writer writer;
  writer.Raw(kTextMagic);
  WriteSealedCopies(&writer, readers, Bytes(kTextMagic) + Bytes(context), text, rng);
  return writer.Take();
}

absl::StatusOr<SecretBytes> OpenText(ByteView context, ByteView document, const KeyPair& reader) {
  Reader fields(document);
  if (!fields.Magic(kTextMagic)) return Damaged("sealed text");
  return OpenSealedCopy(&fields, "sealed text", Bytes(kTextMagic) + Bytes(context), reader);
}

SourceId DeriveSourceId(const DomainSecrets& secrets, std::string_view source_name) {
  const Hash256 mac = HmacKey(secrets.id_key.view()).Mac("holdfast source id", source_name);
  return *SourceId::From(mac.view().substr(0, SourceId::kSize));
}

}  // namespace holdfast
