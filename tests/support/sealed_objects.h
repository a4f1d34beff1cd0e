// One domain with a run key and a sealer, and a forger, for tests of sealed objects.
//
// Everything comes from a SeededRng, so that a test seals the same bytes in every run.
#pragma once

#include <xxhash.h>

#include <memory>

#include "common/format/object.h"
#include "common/format/wire.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::test {

// As Entry::content_hash.
inline Bytes ContentHash(ByteView content) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data(), content.size()));
  return Bytes(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
}

class SealingDomain {
 public:
  explicit SealingDomain(std::uint64_t seed) : rng_(seed) {}

  const DomainId& domain() const { return domain_; }
  const KeyId& key_id() const { return key_id_; }
  const SecretBytes& run_key() const { return run_key_; }
  const std::shared_ptr<const HmacKey>& id_key() const { return id_key_; }
  SeededRng& rng() { return rng_; }

  ChunkId IdOf(ByteView plaintext, ObjectType type = ObjectType::kContent) const {
    return ComputeChunkId(*id_key_, type, plaintext);
  }
  Bytes Seal(ByteView plaintext, ObjectType type = ObjectType::kContent) {
    Bytes object;
    sealer_.Seal(type, IdOf(plaintext, type), plaintext, &object);
    return object;
  }
  ObjectSealer& sealer() { return sealer_; }
  ObjectOpener Opener() const {
    return ObjectOpener(
        domain_, id_key_,
        [key = run_key_, id = key_id_](const KeyId& wanted) -> absl::StatusOr<SecretBytes> {
          if (wanted == id) return key;
          return absl::PermissionDeniedError("no envelope for this key");
        });
  }

 private:
  SeededRng rng_;
  const DomainId domain_ = rng_.DrawFixed<DomainId>();
  const KeyId key_id_ = rng_.DrawFixed<KeyId>();
  const SecretBytes run_key_ = SecretBytes(rng_.Draw(32));
  const std::shared_ptr<const HmacKey> id_key_ = std::make_shared<const HmacKey>(rng_.Draw(32));
  ObjectSealer sealer_{{domain_, key_id_, run_key_, 1}, rng_};
};

// An object of content with a valid key, commit and tag around `payload`, whatever that is: what a
// thief of the run key could make.
struct Forgery {
  DomainId domain;
  KeyId key_id;
  SecretBytes run_key;
  Codec codec = Codec::kZstd;
  std::uint32_t plain_bytes = 0;  // as promised
};
inline Bytes ForgeObject(const Forgery& forgery, const ChunkId& id, ByteView payload) {
  Writer header;
  header.Raw("HFOB");
  header.Raw(ByteView("\1\1", 2));
  header.U8(static_cast<std::uint8_t>(forgery.codec));
  header.U8(static_cast<std::uint8_t>(ObjectType::kContent));
  header.Raw(forgery.domain.view());
  header.Raw(forgery.key_id.view());
  header.Raw(id.view());
  header.U8(0);
  header.U32(forgery.plain_bytes);
  header.U32(static_cast<std::uint32_t>(payload.size() + kGcmTagBytes));
  const Bytes salt(16, 's');
  header.Raw(salt);
  const SecretBytes keys = HkdfSha256(forgery.run_key.view(), salt, header.bytes(), 64);
  header.Raw(keys.view().substr(32));
  Bytes object = header.bytes();
  AesGcmSeal(keys.view().substr(0, 32), Bytes(12, '\0'), header.bytes(), payload, &object);
  return object;
}

// Text that compresses well.
inline Bytes Compressible(std::size_t size) {
  Bytes result;
  for (int line = 0; result.size() < size; ++line) {
    result += "row " + std::to_string(line) + " of a table that repeats itself\n";
  }
  result.resize(size);
  return result;
}

}  // namespace holdfast::test
