// Goal: shares together stay within the limit, one that holds nothing never waits, and whoever ends
// gives back.
#include "common/concurrency/byte_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

TEST(ByteBudgetTest, WhoHoldsNothingIsGivenAtOnce) {
  ByteBudget budget(10);
  ByteBudget::Share large(budget);
  ByteBudget::Share small(budget);
  EXPECT_TRUE(large.Take(25, {})) << "more than there is, alone";
  EXPECT_TRUE(small.Take(3, {}));
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_FALSE(small.Take(1, stopped.get_token())) << "a second item has to wait";
  large.Give(25);
  EXPECT_TRUE(small.Take(7, stopped.get_token())) << "3 and 7 are 10";
  EXPECT_FALSE(small.Take(1, stopped.get_token()));
}

TEST(ByteBudgetTest, AWaitEndsWhenAnotherGivesBackOrEnds) {
  ByteBudget budget(10);
  ByteBudget::Share waiting(budget);
  auto other = std::make_unique<ByteBudget::Share>(budget);
  ASSERT_TRUE(waiting.Take(2, {}));
  ASSERT_TRUE(other->Take(8, {}));
  {
    std::jthread gives([&] { other->Give(3); });
    EXPECT_TRUE(waiting.Take(3, {}));
  }
  {
    std::jthread ends([&] { other.reset(); });
    EXPECT_TRUE(waiting.Take(5, {}));
  }
}

TEST(ByteBudgetTest, AStopEndsAWait) {
  ByteBudget budget(10);
  ByteBudget::Share share(budget);
  ASSERT_TRUE(share.Take(10, {}));
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(share.Take(1, stop.get_token()));
}

TEST(ByteBudgetTest, ManyTogetherStayWithinTheLimit) {
  constexpr std::size_t kLimit = 20;
  constexpr std::size_t kItem = 3;
  constexpr int kShares = 6;
  ByteBudget budget(kLimit);
  std::atomic<std::size_t> held = 0;
  std::atomic<std::size_t> most = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kShares; ++i) {
      threads.emplace_back([&] {
        ByteBudget::Share share(budget);
        for (int round = 0; round < 500; ++round) {
          for (int items = 0; items < 2; ++items) {
            ASSERT_TRUE(share.Take(kItem, {}));
            const std::size_t now = held += kItem;
            for (std::size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
            }
          }
          held -= 2 * kItem;
          share.Give(2 * kItem);
        }
      });
    }
  }
  EXPECT_LE(most, kLimit + kShares * kItem);
}

}  // namespace
}  // namespace holdfast
