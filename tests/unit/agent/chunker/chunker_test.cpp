// Goal: cuts depend on content and key only, stay within their bounds, and find back after a
// change.
#include "agent/chunker/chunker.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <set>

#include "common/crypto/crypto.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::chunker {
namespace {

constexpr ChunkSizes kSmall{512, 2048, 8192};

SecretBytes Key(char fill) { return SecretBytes(Bytes(32, fill)); }

// Ends of all chunks of `data`, cut as a stream is: a full window while there is one.
std::vector<std::size_t> CutsOf(const Chunker& chunker, ByteView data) {
  std::vector<std::size_t> ends;
  std::size_t at = 0;
  while (at < data.size()) {
    const std::size_t length = chunker.Cut(data.substr(at));
    if (length == 0 || length > data.size() - at) {
      ADD_FAILURE() << "a chunk of " << length << " bytes at " << at;
      break;
    }
    at += length;
    ends.push_back(at);
  }
  return ends;
}

std::set<Bytes> ChunksOf(const Chunker& chunker, ByteView data) {
  std::set<Bytes> chunks;
  std::size_t begin = 0;
  for (const std::size_t end : CutsOf(chunker, data)) {
    chunks.insert(Bytes(data.substr(begin, end - begin)));
    begin = end;
  }
  return chunks;
}

TEST(ChunkerTest, ChunksCoverTheInputWithinTheirBounds) {
  test::SeededRng rng(1);
  const Chunker chunker(Key('k'), kSmall);
  for (const Bytes& data : {rng.Draw(1 << 20), Bytes(1 << 20, '\0'), rng.Draw(1), rng.Draw(511),
                            rng.Draw(512), rng.Draw(513), rng.Draw(8192), rng.Draw(8193)}) {
    SCOPED_TRACE(data.size());
    const std::vector<std::size_t> ends = CutsOf(chunker, data);
    ASSERT_FALSE(ends.empty());
    EXPECT_EQ(ends.back(), data.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      EXPECT_LE(end - begin, kSmall.max_bytes);
      if (end != data.size()) {
        EXPECT_GE(end - begin, kSmall.min_bytes);
      }
      begin = end;
    }
  }
}

// The definition in docs/FORMAT.md, one byte after the other.
std::size_t CutByDefinition(const SecretBytes& key, const ChunkSizes& sizes, ByteView data) {
  const SecretBytes table = HkdfSha256(key.view(), "", "holdfast gear table v1", 256 * 8);
  std::array<std::uint64_t, 256> gear;
  std::memcpy(gear.data(), table.view().data(), sizeof gear);
  const auto mask = [](int bits) { return ((std::uint64_t{1} << bits) - 1) << (63 - bits); };
  const int bits = std::countr_zero(sizes.average_bytes);
  std::uint64_t hash = 0;
  for (std::size_t i = sizes.min_bytes; i < data.size() && i < sizes.max_bytes; ++i) {
    hash = (hash << 1) + gear[static_cast<unsigned char>(data[i])];
    if ((hash & mask(i < sizes.average_bytes ? bits + 2 : bits - 2)) == 0) return i + 1;
  }
  return std::min<std::size_t>(data.size(), sizes.max_bytes);
}

TEST(ChunkerTest, CutsWhereTheDefinitionDoes) {
  test::SeededRng rng(7);
  const ChunkSizes odd{511, 2048, 8191};  // ends of the two regions at both parities
  for (const ChunkSizes& sizes : {kSmall, odd}) {
    const Chunker chunker(Key('k'), sizes);
    const Bytes data = rng.Draw(3 << 20);
    for (std::size_t at = 0, chunks = 0; at < data.size(); ++chunks) {
      const ByteView rest = ByteView(data).substr(at);
      const std::size_t length = chunker.Cut(rest);
      ASSERT_EQ(length, CutByDefinition(Key('k'), sizes, rest)) << "chunk " << chunks;
      at += length;
    }
    for (std::size_t size = 500; size < 700; ++size) {
      const ByteView end = ByteView(data).substr(size * 17, size);
      ASSERT_EQ(chunker.Cut(end), CutByDefinition(Key('k'), sizes, end)) << size;
    }
  }
}

TEST(ChunkerTest, BytesThatComeInPartsAreCutAlike) {
  test::SeededRng rng(8);
  const Chunker chunker(Key('k'), kSmall);
  for (const Bytes& data : {rng.Draw(1 << 20), Bytes(1 << 16, 'x')}) {
    std::size_t at = 0;
    std::size_t seen = 0;
    Chunker::Progress progress;
    std::vector<std::size_t> ends;
    while (seen < data.size()) {
      const Bytes draw = rng.Draw(1);
      seen = std::min(data.size(), seen + 1 + 12 * static_cast<unsigned char>(draw[0]));
      while (const auto length = chunker.Find(ByteView(data).substr(at, seen - at), &progress)) {
        ASSERT_LE(at + *length, seen) << "cut behind what there was to see";
        at += *length;
        ends.push_back(at);
        progress = {};
      }
    }
    if (at < data.size()) ends.push_back(data.size());
    EXPECT_EQ(ends, CutsOf(chunker, data));
  }
}

TEST(ChunkerTest, TheAverageIsNearTheOneAskedFor) {
  test::SeededRng rng(2);
  const Bytes data = rng.Draw(8 << 20);
  const std::size_t count = CutsOf(Chunker(Key('k'), kSmall), data).size();
  const double average = static_cast<double>(data.size()) / static_cast<double>(count);
  EXPECT_GT(average, 0.6 * kSmall.average_bytes);
  EXPECT_LT(average, 1.8 * kSmall.average_bytes);
}

TEST(ChunkerTest, ACutDependsOnTheBytesSinceTheLastCutOnly) {
  test::SeededRng rng(3);
  const Chunker chunker(Key('k'), kSmall);
  const Bytes data = rng.Draw(kSmall.max_bytes);
  const std::size_t length = chunker.Cut(data);
  ASSERT_LT(length, data.size());
  Bytes other = data;
  for (std::size_t i = length; i < other.size(); ++i) other[i] = static_cast<char>(~other[i]);
  EXPECT_EQ(chunker.Cut(other), length) << "bytes behind the cut moved it";
  EXPECT_EQ(chunker.Cut(data + rng.Draw(50000)), length) << "more bytes to see moved it";
}

TEST(ChunkerTest, AnInsertChangesAFewChunksOnly) {
  test::SeededRng rng(4);
  const Chunker chunker(Key('k'), kSmall);
  const Bytes before = rng.Draw(1 << 20);
  const std::set<Bytes> known = ChunksOf(chunker, before);
  for (const std::size_t at : {std::size_t{0}, before.size() / 2, before.size() - 1}) {
    Bytes after = before;
    after.insert(at, "seventeen bytes..");
    std::size_t unknown = 0;
    for (const Bytes& chunk : ChunksOf(chunker, after)) unknown += known.contains(chunk) ? 0 : 1;
    EXPECT_GE(unknown, 1u);
    EXPECT_LE(unknown, 8u) << "cuts did not find back after an insert at " << at;
  }
}

TEST(ChunkerTest, AnotherKeyCutsElsewhere) {
  test::SeededRng rng(5);
  const Bytes data = rng.Draw(4 << 20);
  const auto first = CutsOf(Chunker(Key('a'), kSmall), data);
  const auto second = CutsOf(Chunker(Key('b'), kSmall), data);
  ASSERT_GT(first.size(), 1000u);
  const std::set<std::size_t> seen(first.begin(), first.end());
  std::size_t shared = 0;
  for (const std::size_t end : second) shared += seen.contains(end) ? 1 : 0;
  EXPECT_LT(static_cast<double>(shared), 0.05 * static_cast<double>(second.size()));
  EXPECT_EQ(CutsOf(Chunker(Key('a'), kSmall), data), first) << "the same key must cut the same";
}

TEST(ChunkerTest, TheSizesInUseHoldOnTheirScale) {
  test::SeededRng rng(6);
  for (const ChunkSizes& sizes : {kContentSizes, kManifestSizes}) {
    const Chunker chunker(Key('k'), sizes);
    EXPECT_EQ(chunker.sizes().max_bytes, sizes.max_bytes);
    const Bytes data = rng.Draw(3 * sizes.max_bytes);
    std::size_t begin = 0;
    for (const std::size_t end : CutsOf(chunker, data)) {
      EXPECT_LE(end - begin, sizes.max_bytes);
      if (end != data.size()) {
        EXPECT_GE(end - begin, sizes.min_bytes);
      }
      begin = end;
    }
  }
}

}  // namespace
}  // namespace holdfast::chunker
