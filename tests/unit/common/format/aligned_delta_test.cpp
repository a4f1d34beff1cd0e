// Goal: what a chunk has of its base is found where rows were changed, put in or left out, every
// copy is true, and what is not alike is given up.
#include "common/format/aligned_delta.h"

#include <gtest/gtest.h>

#include "fmt/format.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

constexpr std::size_t kAnyLiterals = std::size_t{1} << 30;

class AlignedDeltaTest : public testing::Test {
 protected:
  // The sum of literals. Fails when a copy is not what it says.
  static std::size_t LiteralBytes(ByteView base, ByteView data,
                                  const std::vector<AlignedCopy>& copies) {
    std::size_t at = 0;
    std::size_t literal = 0;
    for (const AlignedCopy& copy : copies) {
      literal += copy.literal_bytes;
      at += copy.literal_bytes;
      EXPECT_GE(copy.copied_bytes, kMinCopyBytes);
      EXPECT_LE(std::size_t{copy.base_at} + copy.copied_bytes, base.size());
      EXPECT_LE(at + copy.copied_bytes, data.size());
      EXPECT_EQ(data.substr(at, copy.copied_bytes), base.substr(copy.base_at, copy.copied_bytes));
      at += copy.copied_bytes;
    }
    return literal + (data.size() - at);
  }
  std::size_t Literals(ByteView base, ByteView data, std::size_t most = kAnyLiterals) {
    const auto copies = AlignWithBase(base, data, most);
    if (!copies) return kAnyLiterals;
    count_ = copies->size();
    return LiteralBytes(base, data, *copies);
  }

  // As pg_dump writes pgbench's accounts: each row is nearly the one before it.
  static Bytes Row(int number, int balance) {
    return fmt::format("{}\t{}\t{}\t{:84}\n", number, number / 100'000, balance, "");
  }
  static Bytes Rows(int from, int to) {
    Bytes rows;
    for (int number = from; number < to; ++number) rows += Row(number, 0);
    return rows;
  }
  std::uint64_t Draw(std::uint64_t below) {
    std::uint64_t value = 0;
    rng_.Fill(reinterpret_cast<char*>(&value), sizeof value);
    return value % below;
  }

  static constexpr std::uint64_t kSeed = 17;
  test::SeededRng rng_{kSeed};
  std::size_t count_ = 0;  // of copies, of Literals' last call
};

TEST_F(AlignedDeltaTest, TheSameIsOneCopy) {
  const Bytes base = Rows(1'000'000, 1'005'000);
  EXPECT_EQ(Literals(base, base, 0), 0u);
  EXPECT_EQ(count_, 1u);
  EXPECT_EQ(Literals("", ""), 0u);
  EXPECT_EQ(Literals(base, ""), 0u);
  EXPECT_EQ(Literals("", "what the base has nothing of"), 28u);
}

TEST_F(AlignedDeltaTest, RowsThatWentLeaveCopiesOfTheRest) {
  const Bytes base = Rows(1'000'000, 1'010'000);
  Bytes data;
  std::size_t went = 0;
  for (int number = 1'000'000; number < 1'010'000; ++number) {
    if (Draw(100) == 0) {
      ++went;
    } else {
      data += Row(number, 0);
    }
  }
  ASSERT_GT(went, 50u);
  EXPECT_LT(Literals(base, data, data.size() / 16), 10 * went);
  EXPECT_LT(count_, 3 * went);
}

TEST_F(AlignedDeltaTest, FieldsThatGotLongerCostTheirBytes) {
  const Bytes base = Rows(1'000'000, 1'010'000);
  Bytes data;
  std::size_t changed = 0;
  for (int number = 1'000'000; number < 1'010'000; ++number) {
    const bool changes = Draw(100) == 0;
    changed += changes ? 1 : 0;
    data += Row(number, changes ? static_cast<int>(Draw(99'999)) - 50'000 : 0);
  }
  ASSERT_GT(changed, 50u);
  EXPECT_LT(Literals(base, data, data.size() / 16), 30 * changed);
  EXPECT_LT(count_, 3 * changed);
}

TEST_F(AlignedDeltaTest, WhatWasPutInIsLiteralWhereverItIs) {
  const Bytes base = rng_.Draw(500'000);
  const Bytes fresh = rng_.Draw(20'000);
  for (const std::size_t at : {std::size_t{0}, std::size_t{250'000}, base.size()}) {
    Bytes data = base;
    data.insert(at, fresh);
    EXPECT_LT(Literals(base, data, data.size() / 16), fresh.size() + 100) << at;
  }
}

TEST_F(AlignedDeltaTest, AChunkMayBeginAnywhereInItsBase) {
  const Bytes base = Rows(1'000'000, 1'010'000);
  EXPECT_LT(Literals(base, ByteView(base).substr(300'003), 1'000), 1'000u);
  // And go on where an earlier part of the base is.
  const Bytes turned = base.substr(500'000) + base.substr(0, 500'000);
  EXPECT_LT(Literals(base, turned, 5'000), 5'000u);
}

TEST_F(AlignedDeltaTest, WhatIsNotAlikeIsGivenUp) {
  const Bytes base = rng_.Draw(300'000);
  const Bytes data = rng_.Draw(300'000);
  EXPECT_EQ(AlignWithBase(base, data, data.size() / 16), std::nullopt);
  EXPECT_EQ(AlignWithBase(Rows(1, 5'000), Rows(500'000, 505'000), 30'000), std::nullopt)
      << "alike, as rows are, but not the same rows";
  // More is literal than was allowed.
  Bytes changed = base;
  for (std::size_t at = 0; at < changed.size(); at += 1'000) changed[at] ^= 1;
  EXPECT_NE(AlignWithBase(base, changed, 300), std::nullopt);
  EXPECT_EQ(AlignWithBase(base, changed, 200), std::nullopt);
}

TEST_F(AlignedDeltaTest, EveryCopyIsTrueWhateverWasDone) {
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::size_t aligned = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t letters = 1 + Draw(Draw(2) == 0 ? 3 : 200);
    Bytes base = rng_.Draw(Draw(20'000));
    for (char& c : base) c = static_cast<char>(static_cast<unsigned char>(c) % letters);
    Bytes data = base;
    for (std::uint64_t edits = Draw(8); edits > 0; --edits) {
      const std::size_t at = Draw(data.size() + 1);
      const std::size_t size = Draw(Draw(2) == 0 ? 10 : 3'000);
      switch (Draw(4)) {
        case 0:
          data.erase(at, size);
          break;
        case 1:
          data.insert(at, rng_.Draw(size));
          break;
        case 2:
          data.insert(at, Bytes(data.substr(Draw(data.size() + 1), size)));
          break;
        default:
          if (at < data.size()) data[at] ^= 1;
      }
    }
    const std::size_t most = data.size() / 8;
    const auto copies = AlignWithBase(base, data, most);
    if (!copies) continue;
    ++aligned;
    EXPECT_LE(LiteralBytes(base, data, *copies), most) << "round " << round;
  }
  EXPECT_GT(aligned, 100u);
}

}  // namespace
}  // namespace holdfast
