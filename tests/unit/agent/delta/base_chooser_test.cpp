// Goal: a changed chunk is laid over the old ones that it came from, by its edges or by its place,
// and its bases are plain, few and small enough.
#include "agent/delta/base_chooser.h"

#include <gtest/gtest.h>

#include "agent/delta/perseverance.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::delta {
namespace {

class BaseChooserTest : public testing::Test {
 protected:
  // Old chunks of these sizes, one after the other; their plaintexts are old_.
  void MakeOld(const std::vector<std::size_t>& sizes) {
    for (const std::size_t size : sizes) AddOld(rng_.Draw(size));
  }
  void AddOld(Bytes plaintext, std::vector<Base> bases = {}, std::uint64_t spent = 0) {
    KnownChunk chunk;
    chunk.id = rng_.DrawFixed<ChunkId>();
    chunk.plain_bytes = static_cast<std::uint32_t>(plaintext.size());
    chunk.stored_bytes = chunk.plain_bytes / 2;
    chunk.first_edge = FirstEdge(plaintext);
    chunk.last_edge = LastEdge(plaintext);
    chunk.spent_bytes = spent;
    chunk.bases = std::move(bases);
    state_.Add(chunk);
    old_.push_back(std::move(plaintext));
  }
  ChunkId Old(std::size_t index) const { return state_.chunks()[index].id; }
  std::vector<ChunkId> Bases(BaseChooser::Cursor& cursor, ByteView plaintext) {
    last_ = cursor.Next(rng_.DrawFixed<ChunkId>(), plaintext);
    std::vector<ChunkId> ids;
    for (const Base& base : last_.bases) ids.push_back(base.id);
    return ids;
  }
  using Ids = std::vector<ChunkId>;

  test::SeededRng rng_{5};
  DeltaState state_;
  std::vector<Bytes> old_;
  BaseChoice last_;
};

TEST_F(BaseChooserTest, AnEdgeFindsTheOldChunkWithoutANeighbour) {
  MakeOld({10'000, 10'000, 10'000});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  Bytes changed = old_[1];
  changed[5'000] = static_cast<char>(changed[5'000] ^ 1);
  EXPECT_EQ(Bases(cursor, changed), Ids{Old(1)});
  EXPECT_EQ(last_.expected_plain_bytes, 5'000u) << "half, as its base";
  // The last edge alone: the front was changed and became shorter.
  BaseChooser::Cursor second(chooser);
  EXPECT_EQ(Bases(second, old_[0].substr(3'000)), Ids{Old(0)});
  // The first edge alone, and more than the old chunk had: it goes on into the next one.
  BaseChooser::Cursor third(chooser);
  EXPECT_EQ(Bases(third, old_[0] + rng_.Draw(4'096)), (Ids{Old(0), Old(1)}));
  EXPECT_TRUE(last_.has_edge && last_.others.empty());
}

TEST_F(BaseChooserTest, OneEdgeFarFromThePlaceIsOneOfTwo) {
  MakeOld({10'000, 10'000, 10'000, 10'000, 10'000, 10'000});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  cursor.Next(Old(0), old_[0]);
  // After a known neighbour the place is believed first, and kept.
  const Bytes front_of_4 = old_[4].substr(0, 64) + rng_.Draw(9'000);
  EXPECT_EQ(Bases(cursor, front_of_4), Ids{Old(1)});
  EXPECT_FALSE(last_.has_edge);
  ASSERT_EQ(last_.others.size(), 1u);
  EXPECT_TRUE(last_.others[0].has_edge);
  EXPECT_EQ(last_.others[0].bases[0].id, Old(4));
  // An edge near the place says the same.
  EXPECT_EQ(Bases(cursor, old_[2].substr(0, 64) + rng_.Draw(9'000)), Ids{Old(2)});
  EXPECT_TRUE(last_.has_edge && last_.others.empty());
  // Two edges say where it is, wherever the cursor was.
  EXPECT_EQ(Bases(cursor, old_[5].substr(0, 64) + rng_.Draw(9'000) + old_[5].substr(9'900)),
            Ids{Old(5)});
  EXPECT_TRUE(last_.has_edge && last_.others.empty());
  // A stream that began elsewhere, with one edge alone, believes the next one first.
  BaseChooser::Cursor another(chooser);
  EXPECT_EQ(Bases(another, old_[2].substr(0, 64) + rng_.Draw(9'900)), Ids{Old(2)});
  EXPECT_EQ(last_.others[0].bases[0].id, Old(0));
  EXPECT_EQ(Bases(another, front_of_4), Ids{Old(4)});
  ASSERT_EQ(last_.others.size(), 1u);
  EXPECT_EQ(last_.others[0].bases[0].id, Old(2));
}

TEST_F(BaseChooserTest, ThePlaceAfterAKnownNeighbourIsTheSecondChoice) {
  MakeOld({10'000, 10'000, 10'000, 10'000, 10'000});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  // A header with the time in front, an edit at the end: what it begins with is where the old
  // began.
  EXPECT_EQ(Bases(cursor, rng_.Draw(8'000)), Ids{Old(0)});
  EXPECT_FALSE(last_.has_edge);
  EXPECT_TRUE(cursor.Next(Old(0), old_[0]).bases.empty()) << "known: nothing to send";
  EXPECT_EQ(Bases(cursor, rng_.Draw(10'000)), Ids{Old(1)});
  EXPECT_EQ(Bases(cursor, rng_.Draw(15'000)), (Ids{Old(2), Old(3)}));
  EXPECT_EQ(Bases(cursor, rng_.Draw(5'000)), Ids{Old(3)});
  EXPECT_EQ(Bases(cursor, rng_.Draw(50'000)), Ids{Old(4)}) << "the old stream ends";
  EXPECT_TRUE(Bases(cursor, rng_.Draw(10'000)).empty());
}

TEST_F(BaseChooserTest, AtMostThreeWithTheLargestShareInTheOrderOfTheStream) {
  MakeOld({5'000, 9'000, 6'000, 8'000, 9'000});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  const Bytes merged = old_[0] + rng_.Draw(27'000) + old_[4].substr(4'000);
  EXPECT_EQ(Bases(cursor, merged), (Ids{Old(1), Old(3), Old(4)}));
}

TEST_F(BaseChooserTest, AnEdgeThatManyChunksHaveSaysNothing) {
  MakeOld({10'000});
  AddOld(Bytes(10'000, '\0'));
  AddOld(Bytes(10'001, '\0'));
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  EXPECT_EQ(Bases(cursor, Bytes(9'000, '\0')), Ids{Old(0)}) << "by its place";
  EXPECT_FALSE(last_.has_edge);
}

TEST_F(BaseChooserTest, AnOldDeltaStandsForItsBases) {
  MakeOld({10'000, 10'000});
  const Base root{rng_.DrawFixed<ChunkId>(), 10'000, 6'000};
  AddOld(rng_.Draw(10'000), {root}, 700);
  AddOld(rng_.Draw(10'000), {root, state_.chunks()[1].AsBase()}, 300);
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  EXPECT_EQ(Bases(cursor, old_[2].substr(0, 9'000) + rng_.Draw(1'000)), Ids{root.id});
  EXPECT_EQ(last_.spent_bytes, 700u);
  EXPECT_EQ(Bases(cursor, old_[2] + old_[3]), (Ids{root.id, Old(1)})) << "each once";
  EXPECT_EQ(last_.spent_bytes, 1'000u);
}

TEST_F(BaseChooserTest, BasesThatAreTooLargeOrOfUnknownSizeAreLeftOut) {
  MakeOld({4u << 20, 4u << 20});
  AddOld(rng_.Draw(10'000), {Base{rng_.DrawFixed<ChunkId>(), 0, 0}});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  const Bytes both = old_[0].substr(0, 4u << 20);
  EXPECT_EQ(Bases(cursor, both.substr(0, 3u << 20)), Ids{Old(0)});
  EXPECT_EQ(Bases(cursor, rng_.Draw(3u << 20)), (Ids{Old(1)})) << "4 + 4 + 3 MiB exceed 8";
  BaseChooser::Cursor second(chooser);
  Bytes changed = old_[2];
  changed[5'000] = static_cast<char>(changed[5'000] ^ 1);
  EXPECT_TRUE(Bases(second, changed).empty()) << "by both edges, and of unknown size";
}

TEST_F(BaseChooserTest, SmallChunksMoveTheCursorOnly) {
  MakeOld({10'000, 10'000});
  const BaseChooser chooser(state_);
  BaseChooser::Cursor cursor(chooser);
  EXPECT_TRUE(Bases(cursor, old_[0].substr(0, 1'000)).empty());
  EXPECT_TRUE(Bases(cursor, "tiny").empty());
  EXPECT_EQ(Bases(cursor, rng_.Draw(8'996)), Ids{Old(0)});
}

TEST_F(BaseChooserTest, ALineIsRebasedWhenItsDeltasCostAPlainChunk) {
  BaseChoice choice;
  choice.bases = {{ChunkId(), 1'000'000, 400'000}};
  choice.expected_plain_bytes = 400'000;
  ChunkId low;  // first byte 0: at 3/4
  ChunkId high = low;
  high.data()[0] = 127;  // at 5/4
  for (const auto& [spent, first, second] : {std::tuple{0u, false, false},
                                             {290'000u, false, false},
                                             {310'000u, true, false},
                                             {490'000u, true, false},
                                             {510'000u, true, true}}) {
    choice.spent_bytes = spent;
    EXPECT_EQ(ShouldRebase(low, choice), first) << spent;
    EXPECT_EQ(ShouldRebase(high, choice), second) << spent;
  }
}

TEST(Perseverance, RestsLongerAfterEveryFailureAndForgetsOnSuccess) {
  Perseverance perseverance;
  int tries = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (!perseverance.ShouldTry()) continue;
    ++tries;
    perseverance.Failed();
  }
  EXPECT_GT(tries, 90) << "it never tries again";
  EXPECT_LT(tries, 110) << "failures for nothing";
  while (!perseverance.ShouldTry()) {
  }
  perseverance.Succeeded();
  for (std::uint32_t i = 0; i < Perseverance::kFailures; ++i) {
    EXPECT_TRUE(perseverance.ShouldTry()) << i;
    perseverance.Failed();
  }
  std::uint32_t rest = 0;
  while (!perseverance.ShouldTry()) ++rest;
  EXPECT_EQ(rest, Perseverance::kFirstRest);
}

}  // namespace
}  // namespace holdfast::delta
