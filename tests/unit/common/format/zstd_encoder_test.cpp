// Goal: frames that zstd itself decompresses to the plaintext, against a base too, and none above
// the limit.
#include "common/format/zstd_encoder.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "fmt/format.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

class ZstdEncoderTest : public testing::Test {
 protected:
  static Bytes Decompressed(ByteView frame, ByteView base) {
    Bytes plaintext(ZSTD_getFrameContentSize(frame.data(), frame.size()), '\0');
    ZSTD_DCtx* context = ZSTD_createDCtx();
    ZSTD_DCtx_refPrefix(context, base.data(), base.size());
    const std::size_t size = ZSTD_decompressDCtx(context, plaintext.data(), plaintext.size(),
                                                 frame.data(), frame.size());
    ZSTD_freeDCtx(context);
    return ZSTD_isError(size) ? ZSTD_getErrorName(size) : plaintext;
  }
  static Bytes Rows(int from, int to) {
    Bytes rows;
    for (int number = from; number < to; ++number) {
      rows += fmt::format("{}\t{}\t0\t{:84}\n", number, number / 100'000, "");
    }
    return rows;
  }
  std::size_t Alone(ByteView plaintext) { return encoder_.Compress(plaintext, kAny, &buffer_); }
  // 0 also when it does not decompress.
  std::size_t Against(ByteView base, ByteView plaintext, std::size_t limit = kAny) {
    const std::size_t size = encoder_.CompressAgainst(base, plaintext, limit, &buffer_);
    if (size == 0) return 0;
    return Decompressed(ByteView(buffer_).substr(0, size), base) == plaintext ? size : 0;
  }

  static constexpr std::size_t kAny = std::size_t{1} << 30;
  test::SeededRng rng_{23};
  ZstdEncoder encoder_{1};
  Bytes buffer_;
};

TEST_F(ZstdEncoderTest, RowsAreFoundInTheBaseAndNotInTheRowBefore) {
  const Bytes base = Rows(1'000'000, 1'010'000);
  Bytes changed = base;
  for (std::size_t row = 90; row > 0; --row) changed.erase(row * 109 * 96 + 8, 96);
  const std::size_t alone = Alone(changed);
  ASSERT_GT(alone, 0u);
  ASSERT_LT(alone, changed.size() / 50) << "zstd finds each row in the one before it";
  const std::size_t delta = Against(base, changed);
  EXPECT_GT(delta, 0u);
  EXPECT_LT(delta, alone / 5);
}

TEST_F(ZstdEncoderTest, ChunksOfEverySizeComeBack) {
  for (const std::size_t size :
       {1, 15, 16, 100, 4'096, 131'071, 131'072, 131'073, 400'000, 3'000'000}) {
    const Bytes base = rng_.Draw(size);
    Bytes changed = base;
    changed[size / 2] ^= 1;
    EXPECT_GT(Against(base, base), 0u) << size;
    EXPECT_GT(Against(base, changed), 0u) << size;
    EXPECT_GT(Against(base, changed + rng_.Draw(50)), 0u) << size;
    EXPECT_GT(Against(base, changed.substr(size / 3)), 0u) << size;
    EXPECT_GT(Against(rng_.Draw(2'000) + base, changed), 0u) << size;
  }
}

TEST_F(ZstdEncoderTest, WhatIsMostlyNewIsSearchedForRepeatsInItself) {
  const Bytes base = rng_.Draw(200'000);
  const Bytes word = rng_.Draw(500);
  Bytes fresh;
  for (int i = 0; i < 400; ++i) fresh += word;
  const std::size_t size = Against(base, base.substr(0, 100'000) + fresh);
  EXPECT_GT(size, 0u);
  EXPECT_LT(size, 2'000u);
}

TEST_F(ZstdEncoderTest, ALimitIsKept) {
  const Bytes base = rng_.Draw(300'000);
  Bytes changed = base;
  for (std::size_t at = 0; at < changed.size(); at += 1'000) changed[at] ^= 1;
  const std::size_t size = Against(base, changed);
  ASSERT_GT(size, 300u);
  EXPECT_EQ(Against(base, changed, size), size);
  EXPECT_EQ(Against(base, changed, size / 2), 0u);
  EXPECT_EQ(encoder_.Compress(base, 1'000, &buffer_), 0u);
}

}  // namespace
}  // namespace holdfast
