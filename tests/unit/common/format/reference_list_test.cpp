// Goal: a reference list is what was written, sorted and without contradiction, or refused before
// memory is taken for it.
#include "common/format/reference_list.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/format/wire.h"

namespace holdfast {
namespace {

ChunkId Id(char c) { return *ChunkId::From(Bytes(32, c)); }

int Decoded(const ReferenceList& list) {
  return ExitCodeOf(DecodeReferenceList(EncodeReferenceList(list)).status());
}

TEST(ReferenceListTest, RoundTrip) {
  const ReferenceList full{true, 0, {Id('a'), Id('b'), Id('\xff')}, {}};
  const ReferenceList read = DecodeReferenceList(EncodeReferenceList(full)).value();
  EXPECT_TRUE(read.full);
  EXPECT_EQ(read.added, full.added);
  const ReferenceList difference{false, 16, {Id('a')}, {Id('b'), Id('c')}};
  const ReferenceList other = DecodeReferenceList(EncodeReferenceList(difference)).value();
  EXPECT_FALSE(other.full);
  EXPECT_EQ(other.base_seq, 16u);
  EXPECT_EQ(other.added, difference.added);
  EXPECT_EQ(other.removed, difference.removed);
  EXPECT_EQ(Decoded({true, 0, {}, {}}), 0);
  EXPECT_EQ(Decoded({false, 3, {}, {}}), 0);
}

TEST(ReferenceListTest, ALargeOneIsReadInPieces) {
  ReferenceList list{false, 7, {}, {}};
  for (std::uint32_t i = 0; i < 12'000; ++i) {
    Writer number;
    number.U32(i * 3);
    Bytes bytes(number.bytes().rbegin(), number.bytes().rend());  // high byte first: sorted
    bytes.resize(ChunkId::kSize, 'x');
    (i % 3 == 0 ? list.removed : list.added).push_back(*ChunkId::From(bytes));
  }
  const Bytes encoded = EncodeReferenceList(list);
  std::size_t largest = 0;
  const auto reader = ReferenceListReader::Open(
      encoded.size(), [&](std::uint64_t offset, std::size_t size) -> absl::StatusOr<Bytes> {
        largest = std::max(largest, size);
        return encoded.substr(offset, size);
      });
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_FALSE(reader->full());
  EXPECT_EQ(reader->base_seq(), 7u);
  EXPECT_EQ(reader->added_count(), list.added.size());
  EXPECT_EQ(reader->removed_count(), list.removed.size());
  std::vector<ChunkId> added;
  std::vector<ChunkId> removed;
  const auto to = [](std::vector<ChunkId>* ids) {
    return [ids](const ChunkId& id) {
      ids->push_back(id);
      return absl::OkStatus();
    };
  };
  EXPECT_TRUE(reader->ForEachAdded(to(&added)).ok());
  EXPECT_TRUE(reader->ForEachRemoved(to(&removed)).ok());
  EXPECT_EQ(added, list.added);
  EXPECT_EQ(removed, list.removed);
  EXPECT_LE(largest, 65'536u);
  int seen = 0;
  const auto third_is_refused = [&](const ChunkId&) {
    return ++seen == 3 ? absl::AbortedError("enough") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsAborted(reader->ForEachAdded(third_is_refused)));
  EXPECT_EQ(seen, 3);
  // Out of order where one piece ends and the next begins.
  std::swap(list.added[2047], list.added[2048]);
  EXPECT_EQ(Decoded(list), 5);
}

TEST(ReferenceListTest, WhatCannotBeReadIsSaidSo) {
  const Bytes encoded = EncodeReferenceList({true, 0, {Id('a'), Id('b')}, {}});
  for (int failing = 0; failing < 2; ++failing) {
    int calls = 0;
    const auto read = [&](std::uint64_t offset, std::size_t size) -> absl::StatusOr<Bytes> {
      if (calls++ == failing) return absl::UnavailableError("disk");
      return encoded.substr(offset, size);
    };
    EXPECT_TRUE(absl::IsUnavailable(ReferenceListReader::Open(encoded.size(), read).status()));
  }
}

TEST(ReferenceListTest, ContradictionsAreRefused) {
  EXPECT_EQ(Decoded({true, 0, {Id('b'), Id('a')}, {}}), 5) << "not sorted";
  EXPECT_EQ(Decoded({true, 0, {Id('a'), Id('a')}, {}}), 5) << "twice";
  EXPECT_EQ(Decoded({true, 0, {Id('\xff'), Id('a')}, {}}), 5) << "bytes are unsigned";
  EXPECT_EQ(Decoded({true, 0, {}, {Id('a')}}), 5) << "full removes nothing";
  EXPECT_EQ(Decoded({true, 4, {}, {}}), 5) << "full has no base";
  EXPECT_EQ(Decoded({false, 4, {Id('a'), Id('c')}, {Id('b'), Id('c')}}), 5) << "added and removed";
}

TEST(ReferenceListTest, CountsMustFitTheLength) {
  const Bytes good = EncodeReferenceList({false, 1, {Id('a')}, {Id('b')}});
  for (const std::size_t at : {std::size_t{17}, std::size_t{25}}) {
    for (const std::uint64_t count : {0ull, 2ull, 1ull << 32, 1ull << 59, ~0ull}) {
      Writer number;
      number.U64(count);
      Bytes changed = good;
      changed.replace(at, 8, number.bytes());
      EXPECT_EQ(ExitCodeOf(DecodeReferenceList(changed).status()), 5) << at << " " << count;
    }
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(ExitCodeOf(DecodeReferenceList(good.substr(0, size)).status()), 5) << size;
  }
  EXPECT_EQ(ExitCodeOf(DecodeReferenceList(good + "x").status()), 5);
  Bytes unknown_kind = good;
  unknown_kind[8] = 2;
  EXPECT_EQ(ExitCodeOf(DecodeReferenceList(unknown_kind).status()), 5);
}

}  // namespace
}  // namespace holdfast
