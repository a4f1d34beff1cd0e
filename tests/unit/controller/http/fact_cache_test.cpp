// Goal: however many ask, the catalog is asked once per period; when it hangs, nobody but the first
// waits longer than the others' patience.
#include "controller/http/fact_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/base/error.h"
#include "tests/support/moved_clock.h"
#include "tests/unit/controller/http/facts_fixture.h"

namespace holdfast::http {
namespace {

TEST(FactCacheTest, AsksOncePerPeriod) {
  test::MovedClock clock;
  int asked = 0;
  FactCache cache(clock, [&]() -> absl::StatusOr<Facts> {
    Facts facts = test::WellFacts();
    facts.unfinished_jobs = static_cast<std::uint64_t>(++asked);
    return facts;
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ((*cache.Get())->unfinished_jobs, 1u);
  clock.Move(kFreshFor + absl::Seconds(1));
  EXPECT_EQ((*cache.Get())->unfinished_jobs, 2u);
}

TEST(FactCacheTest, AnErrorIsNotKeptLongerThanFacts) {
  test::MovedClock clock;
  bool broken = true;
  FactCache cache(clock, [&]() -> absl::StatusOr<Facts> {
    if (broken) return Error(ErrorKind::kIntegrity, 5001, "it is damaged");
    return test::WellFacts();
  });
  EXPECT_EQ(CodeOf(cache.Get().status()), 5001);
  broken = false;
  EXPECT_EQ(CodeOf(cache.Get().status()), 5001);
  clock.Move(kFreshFor + absl::Seconds(1));
  EXPECT_TRUE(cache.Get().ok());
}

TEST(FactCacheTest, ACatalogThatHangsKeepsOnlyTheFirst) {
  test::MovedClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  bool stuck = false;
  std::atomic<int> inside{0};
  FactCache cache(clock, [&]() -> absl::StatusOr<Facts> {
    ++inside;
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !stuck; });
    return test::WellFacts();
  });
  ASSERT_TRUE(cache.Get().ok());
  stuck = true;
  clock.Move(kFreshFor + absl::Seconds(1));
  std::jthread first([&] { EXPECT_TRUE(cache.Get().ok()); });
  while (inside < 2) std::this_thread::yield();
  EXPECT_TRUE(cache.Get().ok()) << "what is there is young enough";
  clock.Move(kUsableFor);
  EXPECT_EQ(CodeOf(cache.Get().status()), 6094) << "after kPatience";
  {
    std::lock_guard lock(mutex);
    stuck = false;
  }
  changed.notify_all();
  first.join();
  EXPECT_EQ(inside, 2);
  clock.Move(kFreshFor + absl::Seconds(1));
  EXPECT_TRUE(cache.Get().ok());
}

}  // namespace
}  // namespace holdfast::http
