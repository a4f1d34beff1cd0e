// Goal: a backup of a database whose time nothing can watch does not begin; one whose time is over
// says so whatever it failed of.
#include "agent/source/postgres/time_limit.h"

#include <gtest/gtest.h>

#include <optional>

#include "common/base/error.h"
#include "tests/support/no_more_threads.h"
#include "tests/support/set_clock.h"

namespace holdfast::source {
namespace {

const absl::Status kCut = absl::AbortedError("the connection was cut");

TEST(TimeLimit, WithoutAThreadTheRunEndsAtOnce) {
  test::SetClock clock;
  std::optional<TimeLimit> limit;
  {
    const test::NoMoreThreads refuse;
    limit.emplace(clock, absl::Hours(1), std::stop_token());
  }
  EXPECT_TRUE(limit->stop_token().stop_requested());
  EXPECT_EQ(CodeOf(limit->Check()), 1030);
  EXPECT_EQ(CodeOf(limit->Explain(kCut)), 1030);
  EXPECT_TRUE(limit->Explain(absl::OkStatus()).ok());
}

TEST(TimeLimit, ItsEndStopsTheRunAndExplainsWhatThatCaused) {
  test::SetClock clock;  // on which every wait is over at once
  TimeLimit limit(clock, absl::Hours(1), {});
  while (!limit.stop_token().stop_requested()) std::this_thread::yield();
  EXPECT_TRUE(limit.half_is_used());
  EXPECT_EQ(CodeOf(limit.Check()), 2113);
  EXPECT_EQ(CodeOf(limit.Explain(kCut)), 2113);
  EXPECT_TRUE(limit.Explain(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace holdfast::source
