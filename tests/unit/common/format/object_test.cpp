// Goal: an object gives back exactly the chunk that was sealed, or an integrity error: under every
// codec, after every change of a bit, and whatever lengths its header claims.
#include "common/format/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/support/sealed_objects.h"

namespace holdfast {
namespace {

using test::Compressible;

class ObjectTest : public testing::Test {
 protected:
  absl::StatusOr<Bytes> Open(const ChunkId& id, ByteView object,
                             ObjectType type = ObjectType::kContent) {
    return domain_.Opener().Open(id, type, object, lookup_);
  }

  Bytes Forge(Codec codec, const ChunkId& id, std::uint32_t plain_bytes, ByteView payload) {
    return test::ForgeObject(
        {domain_.domain(), domain_.key_id(), domain_.run_key(), codec, plain_bytes}, id, payload);
  }

  test::SealingDomain domain_{11};
  ObjectOpener::BaseLookup lookup_;
};

TEST_F(ObjectTest, RoundTripOfEveryCodec) {
  const Bytes random = domain_.rng().Draw(5'000);
  const Bytes text = Compressible(300'000);
  for (const Bytes& plaintext : {Bytes("x"), random, text}) {
    const Bytes object = domain_.Seal(plaintext);
    EXPECT_EQ(Open(domain_.IdOf(plaintext), object).value(), plaintext);
    const ObjectHeader header = ParseObjectHeader(object).value();
    EXPECT_EQ(header.codec, plaintext == text ? Codec::kZstd : Codec::kRaw);
    EXPECT_EQ(header.plain_bytes, plaintext.size());
    EXPECT_EQ(header.object_bytes(), object.size());
    EXPECT_EQ(header.chunk_id, domain_.IdOf(plaintext));
  }
  EXPECT_LT(domain_.Seal(text).size(), text.size() / 10);
}

TEST_F(ObjectTest, RoundTripOfTheLargestChunk) {
  const Bytes plaintext = domain_.rng().Draw(kMaxPlainBytes);
  const Bytes object = domain_.Seal(plaintext);
  EXPECT_LE(object.size(), kMaxObjectBytes);
  EXPECT_TRUE(Open(domain_.IdOf(plaintext), object).value() == plaintext);
}

TEST_F(ObjectTest, DeltaNeedsItsBases) {
  const Bytes first = domain_.rng().Draw(60'000);
  const Bytes second = domain_.rng().Draw(60'000);
  const Bytes changed = first.substr(0, 30'000) + "new" + second.substr(10'000, 40'000);
  const ChunkId id = domain_.IdOf(changed);
  Bytes object;
  domain_.sealer().SealDelta(ObjectType::kContent, id, changed,
                             {{domain_.IdOf(first), first}, {domain_.IdOf(second), second}},
                             &object);
  EXPECT_LT(object.size(), 2'000u);
  EXPECT_EQ(ParseObjectHeader(object)->bases.size(), 2u);
  EXPECT_EQ(ExitCodeOf(Open(id, object).status()), 5) << "no way to get bases: depth is 1";
  lookup_ = [&](const ChunkId& base) -> absl::StatusOr<ByteView> {
    return base == domain_.IdOf(first) ? first : second;
  };
  EXPECT_EQ(Open(id, object).value(), changed);
  lookup_ = [&](const ChunkId&) -> absl::StatusOr<ByteView> { return second; };
  EXPECT_EQ(ExitCodeOf(Open(id, object).status()), 5) << "a wrong base gives no wrong bytes";
  lookup_ = [&](const ChunkId&) -> absl::StatusOr<ByteView> { return absl::NotFoundError("gone"); };
  EXPECT_EQ(ExitCodeOf(Open(id, object).status()), 6);
}

TEST_F(ObjectTest, ADeltaIsTakenOnlyWhenItIsMuchSmallerThanThePlainObject) {
  const Bytes base = domain_.rng().Draw(100'000);
  const ObjectSealer::Bases bases = {{domain_.IdOf(base), base}};
  lookup_ = [&](const ChunkId&) -> absl::StatusOr<ByteView> { return base; };
  const auto sealed = [&](const Bytes& plaintext, std::size_t expected) {
    Bytes object;
    const Codec codec = domain_.sealer().SealSmaller(ObjectType::kContent, domain_.IdOf(plaintext),
                                                     plaintext, bases, expected, &object);
    EXPECT_EQ(ParseObjectHeader(object)->codec, codec);
    EXPECT_EQ(Open(domain_.IdOf(plaintext), object).value(), plaintext);
    return codec;
  };
  const auto half_new = [&](std::size_t old_bytes) {
    return base.substr(0, old_bytes) + domain_.rng().Draw(100'000 - old_bytes);
  };
  for (const std::size_t expected : {std::size_t{0}, std::size_t{100'000}, std::size_t{500'000}}) {
    SCOPED_TRACE(expected);
    EXPECT_EQ(sealed(half_new(95'000), expected), Codec::kZstdDelta);
    EXPECT_EQ(sealed(half_new(45'000), expected), Codec::kZstdDelta) << "0.55 of plain";
    EXPECT_EQ(sealed(half_new(35'000), expected), Codec::kRaw) << "0.65 of plain";
    EXPECT_EQ(sealed(half_new(0), expected), Codec::kRaw);
  }
  // The guess was much too small: a delta is then not worth the try, and never wrong.
  EXPECT_EQ(sealed(half_new(95'000), 1'000), Codec::kRaw);
  // The guess was too large: the chunk compresses better than its bases.
  Bytes repeated;
  while (repeated.size() < 100'000) repeated += base.substr(0, 20'000);
  EXPECT_NE(sealed(repeated + domain_.rng().Draw(40'000), 140'000), Codec::kRaw);
}

TEST_F(ObjectTest, ASampleResemblesWhatItWasCutFrom) {
  const Bytes neighbourhood = domain_.rng().Draw(64'000);
  const Bytes sample = neighbourhood.substr(20'000, 16'000);
  const Bytes strange = domain_.rng().Draw(16'000);
  EXPECT_TRUE(domain_.sealer().Resembles(sample, neighbourhood));
  EXPECT_FALSE(domain_.sealer().Resembles(strange, neighbourhood));
  EXPECT_FALSE(domain_.sealer().Resembles(Compressible(16'000), neighbourhood))
      << "it compresses as well alone";
  EXPECT_FALSE(domain_.sealer().Resembles("", neighbourhood));
  EXPECT_FALSE(domain_.sealer().Resembles(sample, ""));
}

TEST_F(ObjectTest, ACopyOpensUnderItsOwnKeyOnly) {
  const KeyId key_id = domain_.rng().DrawFixed<KeyId>();
  const SecretBytes key(domain_.rng().Draw(32));
  ObjectOpener opener(domain_.domain(), domain_.id_key(),
                      [&](const KeyId& id) -> absl::StatusOr<SecretBytes> {
                        if (id == key_id) return key;
                        return absl::PermissionDeniedError("another key");
                      });
  for (const Bytes& plaintext : {Compressible(50'000), domain_.rng().Draw(50'000)}) {
    const ChunkId id = domain_.IdOf(plaintext);
    const Bytes object = domain_.Seal(plaintext);
    Bytes copy;
    domain_.sealer().SealCopy(key_id, key, plaintext, &copy);
    EXPECT_EQ(copy.size(), object.size());
    EXPECT_EQ(opener.Open(id, ObjectType::kContent, copy, nullptr).value(), plaintext);
    EXPECT_FALSE(opener.Open(id, ObjectType::kContent, object, nullptr).ok());
    EXPECT_FALSE(Open(id, copy).ok());
  }
}

TEST_F(ObjectTest, NoChangedBitOpens) {
  const Bytes plaintext =
      "a small chunk, a small chunk, a small chunk, a small chunk, a small chunk";
  const ChunkId id = domain_.IdOf(plaintext);
  const Bytes object = domain_.Seal(plaintext);
  ASSERT_TRUE(Open(id, object).ok());
  for (std::size_t bit = 0; bit < object.size() * 8; ++bit) {
    Bytes changed = object;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const absl::Status status = Open(id, changed).status();
    ASSERT_FALSE(status.ok()) << "bit " << bit;
    ASSERT_TRUE(ExitCodeOf(status) == 5 || ExitCodeOf(status) == 12) << "bit " << bit << status;
  }
  for (std::size_t size = 0; size < object.size(); ++size) {
    ASSERT_EQ(ExitCodeOf(Open(id, object.substr(0, size)).status()), 5) << size;
  }
  EXPECT_EQ(ExitCodeOf(Open(id, object + "x").status()), 5);
}

TEST_F(ObjectTest, ObjectOfAnotherChunkTypeOrDomainIsRefused) {
  const Bytes object = domain_.Seal("one");
  EXPECT_EQ(ExitCodeOf(Open(domain_.IdOf("two"), object).status()), 5);
  EXPECT_EQ(ExitCodeOf(Open(domain_.IdOf("one"), object, ObjectType::kManifest).status()), 5);
  EXPECT_NE(domain_.IdOf("one"), domain_.IdOf("one", ObjectType::kManifest));
  test::SealingDomain other(12);
  EXPECT_EQ(
      ExitCodeOf(
          other.Opener().Open(domain_.IdOf("one"), ObjectType::kContent, object, nullptr).status()),
      5);
}

TEST_F(ObjectTest, SameChunkIsSealedUnderAnotherKeyEachTime) {
  const Bytes first = domain_.Seal("same");
  const Bytes second = domain_.Seal("same");
  EXPECT_NE(first.substr(first.size() - 20), second.substr(second.size() - 20));
}

TEST_F(ObjectTest, HeaderLengthsAreBounded) {
  const Bytes object = domain_.Seal("some plaintext");
  const std::size_t plain_at = 4 + 4 + 16 + 16 + 32 + 1;
  for (const std::size_t at : {plain_at, plain_at + 4}) {
    for (const std::uint32_t length : {0u, 0xffffffffu, 0x7fffffffu, kMaxPlainBytes + 17}) {
      Writer number;
      number.U32(length);
      Bytes changed = object;
      changed.replace(at, 4, number.bytes());
      EXPECT_EQ(ExitCodeOf(ParseObjectHeader(changed).status()), 5) << at << " " << length;
    }
  }
}

TEST_F(ObjectTest, UnknownVersionSuiteCodecAndTypeAreRefused) {
  const Bytes object = domain_.Seal("some plaintext");
  for (std::size_t at = 4; at < 8; ++at) {
    Bytes changed = object;
    changed[at] = 9;
    EXPECT_EQ(CodeOf(ParseObjectHeader(changed).status()), 4021) << at;
  }
}

// A bomb needs the run key; even then the decoder stops at the length that the header promises.
TEST_F(ObjectTest, DecompressionBombStopsAtThePromisedLength) {
  const Bytes zeros(64u << 20, '\0');
  Bytes bomb(ZSTD_compressBound(zeros.size()), '\0');
  bomb.resize(ZSTD_compress(bomb.data(), bomb.size(), zeros.data(), zeros.size(), 19));
  ASSERT_LT(bomb.size(), 10'000u);
  const ChunkId id = domain_.IdOf("whatever");
  for (const std::uint32_t promised : {1'000u, kMaxPlainBytes}) {
    const absl::Status status = Open(id, Forge(Codec::kZstd, id, promised, bomb)).status();
    EXPECT_EQ(ExitCodeOf(status), 5);
    EXPECT_THAT(MessageOf(status), testing::HasSubstr("compressed size is not the one promised"));
  }
}

TEST_F(ObjectTest, FrameThatLiesAboutItsSizeIsRefused) {
  const Bytes text = Compressible(5'000);
  Bytes frame(ZSTD_compressBound(text.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), text.data(), text.size(), 1));
  const ChunkId id = domain_.IdOf(text);
  const auto size = static_cast<std::uint32_t>(text.size());
  ASSERT_EQ(Open(id, Forge(Codec::kZstd, id, size, frame)).value(), text) << "the forger is right";
  EXPECT_EQ(ExitCodeOf(Open(id, Forge(Codec::kZstd, id, size - 1, frame)).status()), 5);
  EXPECT_EQ(ExitCodeOf(Open(id, Forge(Codec::kZstd, id, size, frame.substr(0, 60))).status()), 5);
  EXPECT_EQ(ExitCodeOf(Open(id, Forge(Codec::kZstd, id, size, frame + frame)).status()), 5);
  const ChunkId other = domain_.IdOf("other");
  EXPECT_EQ(ExitCodeOf(Open(other, Forge(Codec::kZstd, other, size, frame)).status()), 5)
      << "the id is recomputed from the plaintext";
}

}  // namespace
}  // namespace holdfast
