// Goal: quantities have one reading; what is doubtful or too large has none.
#include "common/config/values.h"

#include <gtest/gtest.h>

#include <limits>

namespace holdfast {
namespace {

TEST(ValuesTest, IntegersAreDecimal) {
  EXPECT_EQ(ParseInteger("0"), 0);
  EXPECT_EQ(ParseInteger("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ParseInteger("-42"), -42);
  for (const char* text : {"", "-", "+1", "01", "-0", "1 ", " 1", "1e3", "0x1", "1_000", "١",
                           "9223372036854775808", "99999999999999999999"}) {
    EXPECT_EQ(ParseInteger(text), std::nullopt) << text;
  }
}

TEST(ValuesTest, DurationsNeedAUnit) {
  EXPECT_EQ(ParseDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(ParseDuration("30s"), absl::Seconds(30));
  EXPECT_EQ(ParseDuration("15m"), absl::Minutes(15));
  EXPECT_EQ(ParseDuration("4 h"), absl::Hours(4));
  EXPECT_EQ(ParseDuration("7d"), absl::Hours(168));
  EXPECT_EQ(ParseDuration("2w"), absl::Hours(336));
  EXPECT_EQ(ParseDuration("0"), absl::ZeroDuration());
  for (const char* text :
       {"", "5", "s", "1.5h", "-1s", "1h30m", "4  h", "4 ", "5 minutes", "9223372036854775807w"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << text;
  }
}

TEST(ValuesTest, SizesKnowBothFamilies) {
  EXPECT_EQ(ParseSize("512"), 512u);
  EXPECT_EQ(ParseSize("512 B"), 512u);
  EXPECT_EQ(ParseSize("4 KiB"), 4096u);
  EXPECT_EQ(ParseSize("4kB"), 4000u);
  EXPECT_EQ(ParseSize("64MiB"), 64u << 20);
  EXPECT_EQ(ParseSize("10 GB"), 10'000'000'000u);
  EXPECT_EQ(ParseSize("2 TiB"), 2ull << 40);
  for (const char* text :
       {"", "MiB", "-1", "1.5 GiB", "1 gb", "1 G", "9999999999 TiB", "64 MiB "}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace holdfast
