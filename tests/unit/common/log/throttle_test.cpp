// Goal: many equal events are one line a period, none is lost from the count, memory is bounded.
#include "common/log/throttle.h"

#include <gtest/gtest.h>

namespace holdfast::log {
namespace {

TEST(ThrottleTest, OneLineAPeriodThatCountsTheOthers) {
  Throttle throttle(absl::Minutes(1));
  EXPECT_EQ(throttle.Admit("a", absl::Seconds(0)), 0u);
  for (int i = 1; i <= 9; ++i) EXPECT_EQ(throttle.Admit("a", absl::Seconds(i)), std::nullopt);
  EXPECT_EQ(throttle.Admit("b", absl::Seconds(9)), 0u) << "another kind has its own line";
  EXPECT_EQ(throttle.Admit("a", absl::Seconds(60)), 9u);
  EXPECT_EQ(throttle.Admit("a", absl::Seconds(61)), std::nullopt);
  EXPECT_EQ(throttle.Admit("a", absl::Seconds(200)), 1u);
}

TEST(ThrottleTest, MadeUpKindsShareALineWhenThereAreTooMany) {
  Throttle throttle(absl::Minutes(1));
  std::uint64_t lines = 0;
  std::uint64_t counted = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto admitted = throttle.Admit(std::to_string(i), absl::Seconds(1));
    if (!admitted) continue;
    ++lines;
    counted += 1 + *admitted;
  }
  EXPECT_EQ(lines, Throttle::kMaxKeys + 1);
  const auto later = throttle.Admit("one more", absl::Seconds(62));
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(*later, 0u) << "the quiet ones have made room";
  const auto shared = throttle.Admit("", absl::Seconds(62));
  ASSERT_TRUE(shared.has_value());
  EXPECT_EQ(counted + *shared, 10'000u) << "none is lost from the count";
}

}  // namespace
}  // namespace holdfast::log
