// Goal: what is sent stays below the limit of the hour; a timetable is read as a person reads it.
#include "common/rate/rate_limit.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// Sleeping moves it, and nothing else does.
class SleepingClock final : public Clock {
 public:
  absl::Time Now() override { return begin + slept; }
  absl::Duration Monotonic() override { return slept; }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    slept += duration;
    return true;
  }

  absl::Time begin = absl::FromUnixSeconds(1'795'564'800);  // Wednesday 2026-11-25 00:00 UTC
  absl::Duration slept;
};

absl::Time At(const char* text) {
  absl::Time time;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, &time, nullptr)) << text;
  return time;
}

TEST(RateLimitTest, ALongUploadTakesItsTime) {
  SleepingClock clock;
  RateLimit limit(clock, {10 * kMiB, {}}, absl::UTCTimeZone());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(limit.Wait(kMiB, {}));
  // 1000 MiB at 10 MiB/s, of which one second's worth and the last piece are free.
  EXPECT_NEAR(absl::ToDoubleSeconds(clock.slept), 98.9, 0.01);
}

TEST(RateLimitTest, APauseIsNotSavedUp) {
  SleepingClock clock;
  RateLimit limit(clock, {10 * kMiB, {}}, absl::UTCTimeZone());
  ASSERT_TRUE(limit.Wait(kMiB, {}));
  clock.slept += absl::Hours(5);
  const absl::Duration before = clock.slept;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(limit.Wait(kMiB, {}));
  EXPECT_NEAR(absl::ToDoubleSeconds(clock.slept - before), 8.9, 0.01);
}

TEST(RateLimitTest, APieceLargerThanTheBurstPassesAndIsPaidFor) {
  SleepingClock clock;
  RateLimit limit(clock, {kMiB, {}}, absl::UTCTimeZone());
  ASSERT_TRUE(limit.Wait(16 * kMiB, {}));
  EXPECT_EQ(clock.slept, absl::ZeroDuration());
  ASSERT_TRUE(limit.Wait(1, {}));
  EXPECT_NEAR(absl::ToDoubleSeconds(clock.slept), 15, 0.01);
}

TEST(RateLimitTest, WithoutALimitNobodyWaits) {
  SleepingClock clock;
  RateLimit limit(clock, {}, absl::UTCTimeZone());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(limit.Wait(100 * kMiB, {}));
  EXPECT_EQ(clock.slept, absl::ZeroDuration());
}

TEST(RateLimitTest, AStopEndsTheWait) {
  SleepingClock clock;
  RateLimit limit(clock, {1, {}}, absl::UTCTimeZone());
  std::stop_source stop;
  ASSERT_TRUE(limit.Wait(100, stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(limit.Wait(100, stop.get_token()));
}

TEST(RateLimitTest, TheTimetableChangesTheLimitOfARunningUpload) {
  SleepingClock clock;
  clock.begin = At("2026-11-25 07:59");
  RateLimit limit(clock, {10, {{0x7f, 8 * 60, 20 * 60, 1}}}, absl::UTCTimeZone());
  for (int i = 0; i < 62; ++i) ASSERT_TRUE(limit.Wait(10, {}));
  const absl::Duration at_eight = clock.slept;
  ASSERT_TRUE(limit.Wait(10, {}));
  ASSERT_TRUE(limit.Wait(10, {}));
  EXPECT_GE(clock.slept - at_eight, absl::Seconds(10)) << "from eight on a tenth of the speed";
}

TEST(RateLimitTest, WindowsHoldOnTheirDaysAndPastMidnight) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  RateTimetable table;
  table.limit = 5;
  table.windows.push_back({0x1f, 8 * 60, 20 * 60, 1});   // Monday to Friday, by day
  table.windows.push_back({0x10, 22 * 60, 6 * 60, {}});  // the night after Friday: no limit
  EXPECT_EQ(LimitAt(table, At("2026-11-25 07:59"), utc), 5u);
  EXPECT_EQ(LimitAt(table, At("2026-11-25 08:00"), utc), 1u);
  EXPECT_EQ(LimitAt(table, At("2026-11-25 19:59"), utc), 1u);
  EXPECT_EQ(LimitAt(table, At("2026-11-25 20:00"), utc), 5u);
  EXPECT_EQ(LimitAt(table, At("2026-11-28 12:00"), utc), 5u) << "Saturday";
  EXPECT_EQ(LimitAt(table, At("2026-11-27 22:00"), utc), std::nullopt) << "Friday night";
  EXPECT_EQ(LimitAt(table, At("2026-11-28 05:59"), utc), std::nullopt) << "the morning after";
  EXPECT_EQ(LimitAt(table, At("2026-11-28 06:00"), utc), 5u);
  EXPECT_EQ(LimitAt(table, At("2026-11-27 05:59"), utc), 5u) << "Thursday's night is another";
}

TEST(RateLimitTest, TheDayIsTheHostsOwn) {
  absl::TimeZone zone;
  ASSERT_TRUE(absl::LoadTimeZone("America/New_York", &zone));
  RateTimetable table;
  table.windows.push_back({0x04, 20 * 60, 24 * 60, 7});  // Wednesday evening
  EXPECT_EQ(LimitAt(table, At("2026-11-26 01:30"), zone), 7u) << "20:30 on Wednesday there";
  EXPECT_EQ(LimitAt(table, At("2026-11-25 20:30"), zone), std::nullopt);
}

}  // namespace
}  // namespace holdfast
