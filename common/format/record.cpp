#include "common/format/record.h"

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFRECD1\n", 8};
constexpr std::size_t kSaltBytes = 16;
constexpr ByteView kSealContext = "holdfast snapshot record v1";

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4050,
               fmt::format("unable to read snapshot record: {}", what));
}

const Bytes& ZeroIv() {
  static const Bytes iv(12, '\0');
  return iv;
}

Bytes EncodeClear(const RecordClear& clear) {
  Writer writer;
  writer.Raw(kMagic);
  writer.Raw(clear.domain.view());
  writer.Raw(clear.source.view());
  writer.U64(clear.seq);
  writer.U64(clear.taken_at_ms);
  writer.Raw(clear.previous.view());
  writer.U8(clear.partial ? 2 : 1);
  writer.Raw(clear.reference_list_hash.view());
  writer.U16(static_cast<std::uint16_t>(clear.key_ids.size()));
  for (const KeyId& id : clear.key_ids) writer.Raw(id.view());
  return writer.Take();
}

// Where the parts of a record lie.
struct Parts {
  RecordClear clear;
  ByteView clear_bytes;
  ByteView salt;
  ByteView sealed;
  ByteView signed_bytes;
  ByteView signature;
};

absl::StatusOr<Parts> Split(ByteView record) {
  if (record.size() > kMaxRecordBytes) return Damaged("it is larger than 4 MiB");
  Parts parts;
  Reader reader(record);
  if (!reader.Magic(kMagic)) return Damaged("it does not begin with 'HFRECD1'");
  parts.clear.domain = reader.Id<DomainId>();
  parts.clear.source = reader.Id<SourceId>();
  parts.clear.seq = reader.U64();
  parts.clear.taken_at_ms = reader.U64();
  parts.clear.previous = reader.Id<Hash256>();
  const std::uint8_t state = reader.U8();
  parts.clear.reference_list_hash = reader.Id<Hash256>();
  const std::uint16_t keys = reader.U16();
  for (int i = 0; i < keys && reader.ok(); ++i) parts.clear.key_ids.push_back(reader.Id<KeyId>());
  parts.clear_bytes = record.substr(0, record.size() - reader.remaining());
  parts.salt = reader.Raw(kSaltBytes);
  parts.sealed = reader.Field();
  parts.signed_bytes = record.substr(0, record.size() - reader.remaining());
  parts.signature = reader.Raw(Signature::kSize);
  if (!reader.AtEnd()) return Damaged("it is cut or has bytes after its end");
  if (state != 1 && state != 2) return Damaged("unknown state");
  if (keys == 0 || parts.clear.seq == 0) return Damaged("it names no key or no number");
  parts.clear.partial = state == 2;
  return parts;
}

SecretBytes RecordKey(const SecretBytes& run_key, ByteView salt) {
  return HkdfSha256(run_key.view(), salt, kSealContext, 32);
}

}  // namespace

Bytes SealRecord(const RecordClear& clear, ByteView facts, const SecretBytes& run_key,
                 const KeyPair& signer, Rng& rng) {
  HOLDFAST_CHECK(!clear.key_ids.empty() && clear.seq > 0);
  const Bytes clear_bytes = EncodeClear(clear);
  const Bytes salt = rng.Draw(kSaltBytes);
  Bytes sealed;
  AesGcmSeal(RecordKey(run_key, salt).view(), ZeroIv(), clear_bytes + salt, facts, &sealed);
  Writer writer;
  writer.Raw(clear_bytes);
  writer.Raw(salt);
  writer.Field(sealed);
  writer.Raw(Ed25519Sign(signer, writer.bytes()).view());
  return writer.Take();
}

absl::StatusOr<RecordClear> ParseRecord(ByteView record) {
  ASSIGN_OR_RETURN(Parts parts, Split(record));
  return std::move(parts.clear);
}

absl::Status VerifyRecord(ByteView record, const PublicKey& signer) {
  ASSIGN_OR_RETURN(const Parts parts, Split(record));
  if (!Ed25519Verify(signer, parts.signed_bytes, parts.signature)) {
    return Error(ErrorKind::kIntegrity, 4051,
                 "unable to trust snapshot record: its signature is not the agent's");
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> OpenRecord(ByteView record, const SecretBytes& run_key) {
  ASSIGN_OR_RETURN(const Parts parts, Split(record));
  auto facts = AesGcmOpen(RecordKey(run_key, parts.salt).view(), ZeroIv(),
                          Bytes(parts.clear_bytes) + Bytes(parts.salt), parts.sealed);
  if (!facts.ok()) return Damaged("its sealed part does not open with the key of its run");
  return facts;
}

Hash256 RecordHash(ByteView record) { return Sha256(record); }

}  // namespace holdfast
