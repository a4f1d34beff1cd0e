// Goal: one look says whether a run is due, whatever happened to clock and program since the last.
// Fault rows 86, 87, 88.
#include "controller/schedule/look.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/error.h"
#include "common/crypto/crypto.h"

namespace holdfast::schedule {
namespace {

const absl::Time kDay = absl::FromUnixSeconds(1'767'744'000);  // 2026-01-07 00:00 UTC
constexpr absl::Duration kOffset = absl::Minutes(2);

Plan Daily() { return MakePlan("0 2 * * *", "UTC", "5m").value(); }
absl::Time Hour(double hours) { return kDay + absl::Hours(hours); }

TEST(LookTest, NothingIsDueBeforeItsTimeAndJitter) {
  Look look = LookAt(Daily(), kOffset, {}, Hour(0));
  EXPECT_FALSE(look.fire);
  EXPECT_EQ(look.due, Hour(2));
  look = LookAt(Daily(), kOffset, {Hour(2), absl::InfinitePast()}, Hour(2) + absl::Minutes(1));
  EXPECT_FALSE(look.fire);
  EXPECT_EQ(look.due, Hour(2)) << "the time has come, its jitter has not";
  look = LookAt(Daily(), kOffset, {Hour(2), absl::InfinitePast()}, Hour(2) + kOffset);
  EXPECT_TRUE(look.fire);
  EXPECT_EQ(look.handled, Hour(2));
  EXPECT_EQ(look.passed, 0u);
  EXPECT_EQ(look.due, Hour(26));
}

TEST(LookTest, DaysThatPassedGiveOneRun) {
  const Look look = LookAt(Daily(), kOffset, {Hour(2), absl::InfinitePast()}, Hour(24 * 5 + 12));
  EXPECT_TRUE(look.fire);
  EXPECT_EQ(look.handled, Hour(24 * 5 + 2));
  EXPECT_EQ(look.passed, 5u);
  EXPECT_EQ(look.due, Hour(24 * 6 + 2));
}

TEST(LookTest, AClockSetBackALittleRepeatsNothing) {
  // At 02:03 the run of 02:00 was handled; then the clock goes back to 01:55.
  const Look look = LookAt(Daily(), kOffset, {Hour(26), Hour(2)}, Hour(2) - absl::Minutes(5));
  EXPECT_FALSE(look.fire);
  EXPECT_EQ(look.due, Hour(26));
}

TEST(LookTest, AClockSetBackADayFollowsTheCalendarAgain) {
  const Look look = LookAt(Daily(), kOffset, {Hour(26), Hour(2)}, Hour(-12));
  EXPECT_FALSE(look.fire);
  EXPECT_EQ(look.due, Hour(2));
}

TEST(LookTest, APlanThatChangedActsAtOnce) {
  const Plan often = MakePlan("*/15 * * * *", "UTC", "0s").value();
  EXPECT_EQ(LookAt(often, absl::ZeroDuration(), {Hour(26), Hour(2)}, Hour(3)).due, Hour(3.25));
  const Plan monthly = MakePlan("0 3 1 * *", "UTC", "0s").value();
  EXPECT_EQ(LookAt(monthly, absl::ZeroDuration(), {Hour(26), Hour(2)}, Hour(3)).due,
            Hour(24 * 25 + 3));
}

TEST(LookTest, JitterIsTheSameForASourceAndSpreadOverSources) {
  std::set<std::int64_t> seen;
  for (int i = 0; i < 200; ++i) {
    const SourceId source = *SourceId::From(Sha256(std::to_string(i)).view().substr(0, 16));
    const absl::Duration offset = OffsetOf(source, absl::Minutes(2));
    EXPECT_EQ(offset, OffsetOf(source, absl::Minutes(2)));
    EXPECT_GE(offset, absl::ZeroDuration());
    EXPECT_LE(offset, absl::Minutes(2));
    seen.insert(absl::ToInt64Seconds(offset));
    EXPECT_EQ(OffsetOf(source, absl::ZeroDuration()), absl::ZeroDuration());
  }
  EXPECT_GT(seen.size(), 60u);
}

}  // namespace
}  // namespace holdfast::schedule
