#include "common/format/object.h"

#include <zstd.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/uninitialized.h"
#include "common/format/wire.h"
#include "common/format/zstd_decoder.h"
#include "common/format/zstd_encoder.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFOB", 4};
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kSuite = 1;  // HKDF-SHA256 per-object key, AES-256-GCM, zero IV
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kCommitBytes = 32;
constexpr std::size_t kMaxBases = 3;
// A delta must be smaller than 6/10 of the plain object: below that the dependence is worth it.
constexpr std::size_t kDeltaTenths = 6;
// A sample has little of its own to compress against, hence the larger share.
constexpr std::size_t kResemblesTenths = 7;

const Bytes& ZeroIv() {
  static const Bytes iv(12, '\0');
  return iv;
}

absl::Status Damaged(const ChunkId& id, std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4020,
               fmt::format("unable to open chunk '{}': {}", id.hex(), what),
               "Run 'holdfast verify' on the snapshot; another copy or the next backup can replace "
               "the chunk.");
}

struct ObjectKeys {
  SecretBytes key;
  Bytes commit;
};

// (key, commit) = HKDF(run key, salt, every header field before commit).
ObjectKeys DeriveKeys(const SecretBytes& run_key, ByteView salt, ByteView fields) {
  const SecretBytes both = HkdfSha256(run_key.view(), salt, fields, 32 + kCommitBytes);
  return {SecretBytes(both.view().substr(0, 32)), Bytes(both.view().substr(32))};
}

// The largest frame that gains 3 %.
std::size_t WorthWhile(ByteView plaintext) { return plaintext.size() - plaintext.size() / 33 - 1; }

using Bases = ObjectSealer::Bases;

// The plaintexts one after the other; in `storage` when there are several.
ByteView Concatenated(const Bases& bases, Bytes* storage) {
  if (bases.empty()) return {};
  if (bases.size() == 1) return bases[0].second;
  storage->clear();
  for (const auto& [id, bytes] : bases) storage->append(bytes);
  return *storage;
}

}  // namespace

absl::StatusOr<ObjectHeader> ParseObjectHeader(ByteView bytes) {
  const auto damaged = [](std::string_view what) {
    return Error(ErrorKind::kIntegrity, 4021,
                 fmt::format("unable to read object header: {}", what));
  };
  Reader reader(bytes);
  if (!reader.Magic(kMagic)) return damaged("it does not begin with 'HFOB'");
  const std::uint8_t version = reader.U8();
  const std::uint8_t suite = reader.U8();
  const std::uint8_t codec = reader.U8();
  const std::uint8_t type = reader.U8();
  ObjectHeader header;
  header.domain = reader.Id<DomainId>();
  header.key_id = reader.Id<KeyId>();
  header.chunk_id = reader.Id<ChunkId>();
  const std::uint8_t bases = reader.U8();
  if (!reader.ok()) return damaged("it is cut");
  if (version != kVersion || suite != kSuite) {
    return damaged(fmt::format("version {} suite {} is not known to this program", version, suite));
  }
  if (codec > static_cast<std::uint8_t>(Codec::kZstdDelta)) return damaged("unknown codec");
  if (type < 1 || type > 2) return damaged("unknown type");
  const bool is_delta = codec == static_cast<std::uint8_t>(Codec::kZstdDelta);
  if (bases > kMaxBases || is_delta != (bases > 0))
    return damaged("base count does not fit the codec");
  for (int i = 0; i < bases; ++i) header.bases.push_back(reader.Id<ChunkId>());
  header.codec = static_cast<Codec>(codec);
  header.type = static_cast<ObjectType>(type);
  header.plain_bytes = reader.U32();
  header.sealed_bytes = reader.U32();
  reader.Raw(kSaltBytes + kCommitBytes);
  if (!reader.ok()) return damaged("it is cut");
  if (header.plain_bytes == 0 || header.plain_bytes > kMaxPlainBytes)
    return damaged("plain length out of range");
  if (header.sealed_bytes <= kGcmTagBytes || header.sealed_bytes > kMaxPlainBytes + kGcmTagBytes) {
    return damaged("sealed length out of range");
  }
  if (header.codec == Codec::kRaw && header.sealed_bytes != header.plain_bytes + kGcmTagBytes) {
    return damaged("lengths of a raw chunk differ");
  }
  header.header_bytes = static_cast<std::uint32_t>(bytes.size() - reader.remaining());
  return header;
}

ChunkId ComputeChunkId(const HmacKey& id_key, ObjectType type, ByteView plaintext) {
  const char tag = static_cast<char>(type);
  return *ChunkId::From(id_key.Mac(ByteView(&tag, 1), plaintext).view());
}

struct ObjectSealer::Impl {
  // What Emit writes beside the keys; of the object sealed last, for SealCopy.
  struct Sealed {
    Codec codec = Codec::kRaw;
    ObjectType type = ObjectType::kContent;
    ChunkId id;
    std::vector<ChunkId> bases;
    const Bytes* buffer = nullptr;  // holds the payload; null: raw, the plaintext is the payload
    std::size_t payload_bytes = 0;
  };

  Options options;
  Rng& rng;
  ZstdEncoder encoder{options.zstd_level};
  Bytes plain_buffer{};
  Bytes delta_buffer{};
  Bytes prefix_buffer{};  // kept, so that the system need not give new memory for every chunk
  Sealed last{};

  // 0 when the codec gains less than 3 %.
  std::size_t CompressPlain(ByteView plaintext) {
    const std::size_t size = encoder.Compress(plaintext, plaintext.size(), &plain_buffer);
    return size <= WorthWhile(plaintext) ? size : 0;
  }

  void EmitPlain(ObjectType type, const ChunkId& id, ByteView plaintext, std::size_t compressed,
                 Bytes* out) {
    last = {compressed == 0 ? Codec::kRaw : Codec::kZstd, type,      id, {},
            compressed == 0 ? nullptr : &plain_buffer,    compressed};
    Emit(options.key_id, options.run_key, plaintext, out);
  }

  void EmitDelta(ObjectType type, const ChunkId& id, ByteView plaintext, const Bases& bases,
                 std::size_t compressed, Bytes* out) {
    last = {Codec::kZstdDelta, type, id, {}, &delta_buffer, compressed};
    for (const auto& [base, bytes] : bases) last.bases.push_back(base);
    Emit(options.key_id, options.run_key, plaintext, out);
  }

  void Emit(const KeyId& key_id, const SecretBytes& key, ByteView plaintext, Bytes* out) {
    const ByteView payload =
        last.buffer == nullptr ? plaintext : ByteView(*last.buffer).substr(0, last.payload_bytes);
    Writer header;
    header.Raw(kMagic);
    header.U8(kVersion);
    header.U8(kSuite);
    header.U8(static_cast<std::uint8_t>(last.codec));
    header.U8(static_cast<std::uint8_t>(last.type));
    header.Raw(options.domain.view());
    header.Raw(key_id.view());
    header.Raw(last.id.view());
    header.U8(static_cast<std::uint8_t>(last.bases.size()));
    for (const ChunkId& base : last.bases) header.Raw(base.view());
    header.U32(static_cast<std::uint32_t>(plaintext.size()));
    header.U32(static_cast<std::uint32_t>(payload.size() + kGcmTagBytes));
    const Bytes salt = rng.Draw(kSaltBytes);
    header.Raw(salt);
    const ObjectKeys keys = DeriveKeys(key, salt, header.bytes());
    header.Raw(keys.commit);
    out->append(header.bytes());
    AesGcmSeal(keys.key.view(), ZeroIv(), header.bytes(), payload, out);
  }
};

ObjectSealer::ObjectSealer(Options options, Rng& rng) : impl_(new Impl{std::move(options), rng}) {
  HOLDFAST_CHECK(impl_->options.run_key.size() == 32);
}
ObjectSealer::~ObjectSealer() = default;

void ObjectSealer::Seal(ObjectType type, const ChunkId& id, ByteView plaintext, Bytes* out) {
  HOLDFAST_CHECK(!plaintext.empty() && plaintext.size() <= kMaxPlainBytes);
  impl_->EmitPlain(type, id, plaintext, impl_->CompressPlain(plaintext), out);
}

void ObjectSealer::SealDelta(ObjectType type, const ChunkId& id, ByteView plaintext,
                             const Bases& bases, Bytes* out) {
  HOLDFAST_CHECK(!plaintext.empty() && plaintext.size() <= kMaxPlainBytes);
  HOLDFAST_CHECK(!bases.empty() && bases.size() <= kMaxBases);
  const std::size_t compressed =
      impl_->encoder.CompressAgainst(Concatenated(bases, &impl_->prefix_buffer), plaintext,
                                     WorthWhile(plaintext), &impl_->delta_buffer);
  if (compressed == 0) return Seal(type, id, plaintext, out);
  impl_->EmitDelta(type, id, plaintext, bases, compressed, out);
}

Codec ObjectSealer::SealSmaller(ObjectType type, const ChunkId& id, ByteView plaintext,
                                const Bases& bases, std::size_t expected_plain_bytes, Bytes* out) {
  HOLDFAST_CHECK(!plaintext.empty() && plaintext.size() <= kMaxPlainBytes);
  HOLDFAST_CHECK(!bases.empty() && bases.size() <= kMaxBases);
  const std::size_t ids = bases.size() * ChunkId::kSize;  // a delta's header is that much longer
  const std::size_t guess = expected_plain_bytes == 0
                                ? plaintext.size()
                                : std::min(expected_plain_bytes, plaintext.size());
  const std::size_t allowed = guess * kDeltaTenths / 10;
  const std::size_t delta = allowed <= ids ? 0
                                           : impl_->encoder.CompressAgainst(
                                                 Concatenated(bases, &impl_->prefix_buffer),
                                                 plaintext, allowed - ids, &impl_->delta_buffer);
  if (delta != 0 && expected_plain_bytes != 0 && delta + ids < allowed / 4 * 3) {
    impl_->EmitDelta(type, id, plaintext, bases, delta, out);
    return Codec::kZstdDelta;
  }
  const std::size_t compressed = impl_->CompressPlain(plaintext);
  const std::size_t plain = compressed == 0 ? plaintext.size() : compressed;
  if (delta != 0 && (delta + ids) * 10 < plain * kDeltaTenths) {
    impl_->EmitDelta(type, id, plaintext, bases, delta, out);
    return Codec::kZstdDelta;
  }
  impl_->EmitPlain(type, id, plaintext, compressed, out);
  return impl_->last.codec;
}

bool ObjectSealer::Resembles(ByteView sample, ByteView neighbourhood) {
  if (sample.empty() || neighbourhood.empty()) return false;
  const std::size_t alone = impl_->CompressPlain(sample);
  const std::size_t allowed = (alone == 0 ? sample.size() : alone) * kResemblesTenths / 10;
  return impl_->encoder.CompressAgainst(neighbourhood, sample, allowed, &impl_->delta_buffer) != 0;
}

void ObjectSealer::SealCopy(const KeyId& key_id, const SecretBytes& key, ByteView plaintext,
                            Bytes* out) {
  HOLDFAST_CHECK(!impl_->last.id.IsZero() && key.size() == 32);
  impl_->Emit(key_id, key, plaintext, out);
}

struct ObjectOpener::Impl {
  DomainId domain;
  std::shared_ptr<const HmacKey> id_key;
  RunKeyLookup run_keys;
  ChunkIds ids;
  ZstdDecoder decoder{};
  Bytes prefix_buffer{};

  absl::StatusOr<Bytes> Decompress(const ObjectHeader& header, ByteView payload, ByteView prefix) {
    if (ZSTD_getFrameContentSize(payload.data(), payload.size()) != header.plain_bytes) {
      return Damaged(header.chunk_id, "its compressed size is not the one promised");
    }
    Bytes plaintext = UninitializedBytes(header.plain_bytes);
    if (decoder.Decompress(prefix, payload, &plaintext) != plaintext.size()) {
      return Damaged(header.chunk_id, "it does not decompress");
    }
    return plaintext;
  }

  static absl::StatusOr<Bases> GatherBases(const ObjectHeader& header, const BaseLookup& lookup) {
    Bases bases;
    for (const ChunkId& base : header.bases) {
      if (!lookup) return Damaged(header.chunk_id, "its delta base is itself a delta");
      ASSIGN_OR_RETURN(const ByteView bytes, lookup(base));
      bases.emplace_back(base, bytes);
    }
    return bases;
  }
};

ObjectOpener::ObjectOpener(DomainId domain, std::shared_ptr<const HmacKey> id_key,
                           RunKeyLookup run_keys, ChunkIds ids)
    : impl_(std::make_unique<Impl>(Impl{domain, std::move(id_key), std::move(run_keys), ids})) {}
ObjectOpener::~ObjectOpener() = default;

absl::StatusOr<Bytes> ObjectOpener::Open(const ChunkId& id, ObjectType type, ByteView object,
                                         const BaseLookup& bases) {
  auto parsed = ParseObjectHeader(object);
  if (!parsed.ok()) return Damaged(id, MessageOf(parsed.status()));
  const ObjectHeader& header = *parsed;
  if (header.chunk_id != id)
    return Damaged(id, fmt::format("the store gave chunk '{}' instead", header.chunk_id.hex()));
  if (header.type != type) return Damaged(id, "it has another type than its reference");
  if (header.domain != impl_->domain) return Damaged(id, "it belongs to another domain");
  if (object.size() != header.object_bytes())
    return Damaged(id, "its length is not the one in its header");

  const ByteView fields = object.substr(0, header.header_bytes - kCommitBytes);
  const ByteView commit = object.substr(header.header_bytes - kCommitBytes, kCommitBytes);
  const ByteView salt = fields.substr(fields.size() - kSaltBytes);
  ASSIGN_OR_RETURN(const SecretBytes run_key, impl_->run_keys(header.key_id));
  const ObjectKeys keys = DeriveKeys(run_key, salt, fields);
  if (!ConstantTimeEqual(keys.commit, commit))
    return Damaged(id, "its header or key commitment is damaged");
  auto opened = AesGcmOpen(keys.key.view(), ZeroIv(), object.substr(0, header.header_bytes),
                           object.substr(header.header_bytes));
  if (!opened.ok()) return Damaged(id, "its bytes are damaged (authentication tag)");

  Bytes plaintext = *std::move(opened);
  if (header.codec != Codec::kRaw) {
    ASSIGN_OR_RETURN(const Bases held, Impl::GatherBases(header, bases));
    ASSIGN_OR_RETURN(
        plaintext, impl_->Decompress(header, plaintext, Concatenated(held, &impl_->prefix_buffer)));
  }
  if (impl_->ids == ChunkIds::kRecomputed &&
      ComputeChunkId(*impl_->id_key, type, plaintext) != id) {
    return Damaged(id, "its content is not what its name says");
  }
  return plaintext;
}

}  // namespace holdfast
