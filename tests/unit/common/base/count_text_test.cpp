// Goal: a comma stands before every three digits but the first ones.
#include "common/base/count_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace holdfast {
namespace {

TEST(CountText, GroupsDigitsByThree) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(4'210'331), "4,210,331");
  EXPECT_EQ(CountText(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace holdfast
