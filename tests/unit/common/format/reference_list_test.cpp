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
