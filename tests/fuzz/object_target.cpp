#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/fuzz/targets.h"
#include "tests/support/sealed_objects.h"

namespace holdfast::fuzz {
namespace {

// `payload` sealed as if it were the compressed form of `plain_bytes` bytes: gets past the tag, as
// somebody with the run key could.
Bytes Forge(const test::SealingDomain& domain, const ChunkId& id, std::uint32_t plain_bytes,
            ByteView payload) {
  Writer header;
  header.Raw(ByteView("HFOB\1\1\1\1", 8));
  header.Raw(domain.domain().view());
  header.Raw(domain.key_id().view());
  header.Raw(id.view());
  header.U8(0);
  header.U32(plain_bytes);
  header.U32(static_cast<std::uint32_t>(payload.size() + kGcmTagBytes));
  const Bytes salt(16, 's');
  header.Raw(salt);
  const SecretBytes keys = HkdfSha256(domain.run_key().view(), salt, header.bytes(), 64);
  header.Raw(keys.view().substr(32));
  Bytes object = header.bytes();
  AesGcmSeal(keys.view().substr(0, 32), Bytes(12, '\0'), header.bytes(), payload, &object);
  return object;
}

}  // namespace

void Object(ByteView input) {
  static const test::SealingDomain domain(1);
  ObjectOpener opener = domain.Opener();
  const auto header = ParseObjectHeader(input);
  if (header.ok()) {
    HOLDFAST_CHECK(header->plain_bytes <= kMaxPlainBytes);
    HOLDFAST_CHECK(header->object_bytes() <= kMaxObjectBytes);
    const ObjectOpener::BaseLookup bases = [](const ChunkId&) -> absl::StatusOr<ByteView> {
      return "base";
    };
    const auto opened = opener.Open(header->chunk_id, header->type, input, bases);
    HOLDFAST_CHECK(!opened.ok() || domain.IdOf(*opened, header->type) == header->chunk_id);
  }

  Reader reader(input);
  const std::uint32_t plain_bytes = reader.U32() % 100'000 + 1;
  if (!reader.ok() || reader.remaining() == 0) return;
  const ChunkId id = domain.IdOf("chunk");
  const Bytes object = Forge(domain, id, plain_bytes, reader.Raw(reader.remaining()));
  const auto opened = opener.Open(id, ObjectType::kContent, object, nullptr);
  HOLDFAST_CHECK(!opened.ok() || *opened == "chunk");
}

}  // namespace holdfast::fuzz
