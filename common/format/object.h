// A sealed object: one chunk, compressed, encrypted, authenticated, self-describing.
//
// Hides:      key derivation, codecs, header layout.
// Invariants: I1  Open returns only bytes whose chunk id, recomputed with the domain id key, is the
//                 one asked for (but see ChunkIds).
//             I2  The commitment is compared in constant time before anything is decrypted.
//             I3  No decoder allocates more than kMaxPlainBytes, whatever the header says.
// Threading:  pure functions; an ObjectSealer/ObjectOpener per thread (they own codec contexts).
// Errors:     kIntegrity 4020… naming the chunk; kPermission 4029 when the run data key does not
//             fit.
// Layout (docs/FORMAT.md), little-endian, DESIGN 5:
//   magic "HFOB" 4 ‖ version 1 ‖ suite 1 ‖ codec 1 ‖ type 1 ‖ domain 16 ‖ key_id 16 ‖ chunk_id 32 ‖
//   base_count 1 ‖ base ids 32 × n ‖ plain_len u32 ‖ sealed_len u32 ‖ salt 16 ‖ commit 32 ‖
//   AES-256-GCM bytes ‖ tag 16
// sealed_len counts the bytes after commit. Header = everything before the sealed bytes.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"

namespace holdfast {

inline constexpr std::uint32_t kMaxPlainBytes = 16u << 20;
inline constexpr std::uint32_t kMaxObjectBytes = kMaxPlainBytes + 4096;

enum class ObjectType : std::uint8_t { kContent = 1, kManifest = 2 };
enum class Codec : std::uint8_t { kRaw = 0, kZstd = 1, kZstdDelta = 2 };

struct ObjectHeader {
  Codec codec = Codec::kRaw;
  ObjectType type = ObjectType::kContent;
  DomainId domain;
  KeyId key_id;
  ChunkId chunk_id;
  std::vector<ChunkId> bases;  // delta only, at most 3
  std::uint32_t plain_bytes = 0;
  std::uint32_t sealed_bytes = 0;  // ciphertext and tag
  std::uint32_t header_bytes = 0;
  std::uint32_t object_bytes() const { return header_bytes + sealed_bytes; }
};

// Needs no key. `bytes` may hold more than one object; kIntegrity when it holds less than a header.
absl::StatusOr<ObjectHeader> ParseObjectHeader(ByteView bytes);

// Chunk id = HMAC-SHA256(domain id key, type ‖ plaintext).
ChunkId ComputeChunkId(const HmacKey& id_key, ObjectType type, ByteView plaintext);

class ObjectSealer {
 public:
  struct Options {
    DomainId domain;
    KeyId key_id;
    SecretBytes run_key;  // 32
    int zstd_level = 1;
  };
  ObjectSealer(Options options, Rng& rng);
  ~ObjectSealer();
  // Appends the sealed object to `out`. Requires plaintext.size() in 1…kMaxPlainBytes.
  void Seal(ObjectType type, const ChunkId& id, ByteView plaintext, Bytes* out);
  using Bases = std::vector<std::pair<ChunkId, ByteView>>;  // 1 to 3, none of them a delta
  // The same against the plaintexts of bases as zstd prefix, whenever that compresses at all.
  void SealDelta(ObjectType type, const ChunkId& id, ByteView plaintext, const Bases& bases,
                 Bytes* out);
  // A delta when it is smaller than 0.6 of the plain object, else the plain object. Says which.
  // `expected_plain_bytes` is a guess from the bases (0: none): a delta below three quarters of
  // what the guess allows is taken without compressing a second time to compare, and an attempt
  // ends as soon as it exceeds what the guess allows.
  Codec SealSmaller(ObjectType type, const ChunkId& id, ByteView plaintext, const Bases& bases,
                    std::size_t expected_plain_bytes, Bytes* out);
  // Whether `sample` of a chunk compresses much better after `neighbourhood`, where it would lie in
  // a base: a cheap guess before bases are read and SealSmaller is tried.
  bool Resembles(ByteView sample, ByteView neighbourhood);
  // The object sealed last once more, under another key. Requires the same plaintext.
  void SealCopy(const KeyId& key_id, const SecretBytes& key, ByteView plaintext, Bytes* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// kOfTheSeal leaves out recomputing the id, a pass over all bytes: for objects under a key that
// none but this program ever had, whose seal alone says that it gave them that id itself.
enum class ChunkIds { kRecomputed, kOfTheSeal };

class ObjectOpener {
 public:
  using RunKeyLookup = std::function<absl::StatusOr<SecretBytes>(const KeyId&)>;
  // Plaintext of a base, for as long as Open takes.
  using BaseLookup = std::function<absl::StatusOr<ByteView>(const ChunkId&)>;

  ObjectOpener(DomainId domain, std::shared_ptr<const HmacKey> id_key, RunKeyLookup run_keys,
               ChunkIds ids = ChunkIds::kRecomputed);
  ~ObjectOpener();
  // The plaintext of `object`, which must be exactly one object with this id and type (I1).
  absl::StatusOr<Bytes> Open(const ChunkId& id, ObjectType type, ByteView object,
                             const BaseLookup& bases);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
