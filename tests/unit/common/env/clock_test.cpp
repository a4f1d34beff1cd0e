// Goal: sleeping ends early on a stop, time moves forward, real randomness does not repeat.
#include <gtest/gtest.h>

#include <thread>

#include "common/env/env.h"

namespace holdfast {
namespace {

TEST(ClockTest, StopEndsASleep) {
  std::stop_source stop;
  const absl::Duration begin = RealClock().Monotonic();
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(RealClock().SleepFor(absl::Minutes(10), stop.get_token()));
  EXPECT_LT(RealClock().Monotonic() - begin, absl::Minutes(1));
}

TEST(ClockTest, SleepTakesItsTime) {
  const absl::Duration begin = RealClock().Monotonic();
  EXPECT_TRUE(RealClock().SleepFor(absl::Milliseconds(20), {}));
  EXPECT_GE(RealClock().Monotonic() - begin, absl::Milliseconds(20));
  EXPECT_GT(RealClock().Now(), absl::FromUnixSeconds(1'700'000'000));
}

TEST(RngTest, DrawsDiffer) {
  EXPECT_NE(RealRng().Draw(16), RealRng().Draw(16));
  EXPECT_FALSE(RealRng().DrawFixed<KeyId>().IsZero());
  EXPECT_EQ(&RealEnv().rng, &RealRng());
}

}  // namespace
}  // namespace holdfast
