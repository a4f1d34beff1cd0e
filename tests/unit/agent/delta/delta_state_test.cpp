// Goal: what was remembered of a snapshot comes back exactly, and a file that is damaged, cut, of
// another snapshot or not there is no state.
#include "agent/delta/delta_state.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"

namespace holdfast::delta {
namespace {

class DeltaStateTest : public testing::Test {
 protected:
  DeltaStateTest() {
    for (std::uint32_t i = 0; i < 5; ++i) {
      state_.Add({rng_.DrawFixed<ChunkId>(), 1000 + i, 100 + i, i * 7, i * 11, 0, {}});
    }
    const Base hidden{rng_.DrawFixed<ChunkId>(), 900, 90};
    state_.Add(
        {rng_.DrawFixed<ChunkId>(), 950, 40, 3, 4, 55, {hidden, state_.chunks()[2].AsBase()}});
  }
  void Save() { ASSERT_TRUE(state_.Save(RealFileSystem(), path_, record_).ok()); }

  test::SeededRng rng_{3};
  test::TempDir directory_;
  const std::string path_ = directory_ / "source.delta";
  const Hash256 record_ = rng_.DrawFixed<Hash256>();
  DeltaState state_;
};

TEST_F(DeltaStateTest, ComesBackAsItWas) {
  Save();
  DeltaState loaded;
  ASSERT_TRUE(loaded.Load(RealFileSystem(), path_, record_));
  ASSERT_EQ(loaded.chunks().size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    const KnownChunk& a = state_.chunks()[i];
    const KnownChunk& b = loaded.chunks()[i];
    EXPECT_EQ(a.id, b.id) << i;
    EXPECT_EQ(a.plain_bytes, b.plain_bytes);
    EXPECT_EQ(a.stored_bytes, b.stored_bytes);
    EXPECT_EQ(a.first_edge, b.first_edge);
    EXPECT_EQ(a.last_edge, b.last_edge);
    EXPECT_EQ(a.spent_bytes, b.spent_bytes);
    EXPECT_EQ(a.bases, b.bases);
    EXPECT_EQ(loaded.Find(a.id), &b);
  }
  EXPECT_EQ(loaded.Find(loaded.chunks()[5].bases[0].id), nullptr) << "hidden: not content";
}

TEST_F(DeltaStateTest, OfAnotherSnapshotOrAbsentIsNone) {
  DeltaState loaded;
  EXPECT_FALSE(loaded.Load(RealFileSystem(), path_, record_));
  Save();
  EXPECT_FALSE(loaded.Load(RealFileSystem(), path_, rng_.DrawFixed<Hash256>()));
  EXPECT_TRUE(loaded.chunks().empty());
}

TEST_F(DeltaStateTest, NoFlippedBitAndNoCutIsTaken) {
  Save();
  const Bytes good = RealFileSystem().ReadFile(path_).value();
  DeltaState loaded;
  for (std::size_t at = 0; at < good.size(); at += 3) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    ASSERT_TRUE(RealFileSystem().WriteAtomically(path_, bad).ok());
    EXPECT_FALSE(loaded.Load(RealFileSystem(), path_, record_)) << at;
    ASSERT_TRUE(RealFileSystem().WriteAtomically(path_, good.substr(0, at)).ok());
    EXPECT_FALSE(loaded.Load(RealFileSystem(), path_, record_)) << "cut at " << at;
    EXPECT_TRUE(loaded.chunks().empty());
  }
}

TEST_F(DeltaStateTest, KeepsEveryDeltaAndABoundedNumberOfPlainChunks) {
  DeltaState state;
  KnownChunk chunk;
  for (std::uint32_t i = 0; i < DeltaState::kMaxPlain + 10; ++i) {
    std::memcpy(chunk.id.data(), &i, sizeof i);
    state.Add(chunk);
  }
  EXPECT_EQ(state.chunks().size(), DeltaState::kMaxPlain);
  chunk.id = rng_.DrawFixed<ChunkId>();
  chunk.bases = {{rng_.DrawFixed<ChunkId>(), 1, 1}};
  state.Add(chunk);
  state.Add(chunk);
  EXPECT_EQ(state.chunks().size(), DeltaState::kMaxPlain + 1);
}

}  // namespace
}  // namespace holdfast::delta
