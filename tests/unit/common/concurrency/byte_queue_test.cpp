// Goal: the queue holds no more than its limit, loses nothing, and every wait ends on close or
// stop.
#include "common/concurrency/byte_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <thread>

#include "common/concurrency/first_error.h"

namespace holdfast {
namespace {

TEST(ByteQueueTest, OrderIsKeptAndCloseDrains) {
  ByteQueue<int> queue(100);
  EXPECT_TRUE(queue.Push(1, 10, {}));
  EXPECT_TRUE(queue.Push(2, 10, {}));
  queue.Close();
  EXPECT_FALSE(queue.Push(3, 10, {}));
  EXPECT_EQ(queue.Pop({}), 1);
  EXPECT_EQ(queue.Pop({}), 2);
  EXPECT_EQ(queue.Pop({}), std::nullopt);
  EXPECT_TRUE(queue.PopAll(5, {}).empty());
}

TEST(ByteQueueTest, PopAllWithinSaysWhenNothingCame) {
  ByteQueue<int> queue(100);
  EXPECT_EQ(queue.PopAllWithin(std::chrono::milliseconds(1), 5, {}), std::nullopt);
  ASSERT_TRUE(queue.Push(1, 1, {}));
  EXPECT_EQ(queue.PopAllWithin(std::chrono::hours(1), 5, {}), std::vector<int>{1});
  queue.Close();
  EXPECT_EQ(queue.PopAllWithin(std::chrono::hours(1), 5, {}), std::vector<int>());
}

TEST(ByteQueueTest, PopAllTakesWhatIsThere) {
  ByteQueue<int> queue(100);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.Push(i, 1, {}));
  EXPECT_EQ(queue.PopAll(3, {}), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(queue.PopAll(9, {}), (std::vector<int>{3, 4}));
}

TEST(ByteQueueTest, PopAllTakesNoMoreBytesThanAsked) {
  ByteQueue<int> queue(100);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.Push(i, 10, {}));
  EXPECT_EQ(queue.PopAll(9, {}, 29), (std::vector<int>{0, 1}));
  EXPECT_EQ(queue.PopAllWithin(std::chrono::hours(1), 9, {}, 5), std::vector<int>{2}) << "one";
  EXPECT_EQ(queue.PopAll(9, {}, 20), (std::vector<int>{3, 4}));
}

TEST(ByteQueueTest, LimitIsInBytesAndAGiantPassesAlone) {
  ByteQueue<int> queue(10);
  std::atomic<int> pushed{0};
  std::jthread producer([&] {
    for (const std::size_t bytes : {1'000, 6, 4, 1}) {
      if (queue.Push(static_cast<int>(bytes), bytes, {})) ++pushed;
    }
    queue.Close();
  });
  while (pushed < 1) std::this_thread::yield();
  // The giant fills the queue: nothing goes beside it, however long we look.
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(pushed, 1);
    std::this_thread::yield();
  }
  EXPECT_EQ(queue.Pop({}), 1'000);
  while (pushed < 3) std::this_thread::yield();
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(pushed, 3) << "6 + 4 fill it";
    std::this_thread::yield();
  }
  EXPECT_EQ(queue.Pop({}), 6);
  EXPECT_EQ(queue.Pop({}), 4);
  EXPECT_EQ(queue.Pop({}), 1);
  EXPECT_EQ(queue.Pop({}), std::nullopt);
}

TEST(ByteQueueTest, StopEndsEveryWait) {
  ByteQueue<std::unique_ptr<int>> full(1);
  ByteQueue<int> empty(1);
  ASSERT_TRUE(full.Push(std::make_unique<int>(1), 1, {}));
  std::stop_source stop;
  bool pushed = true;
  std::optional<int> popped = 1;
  std::vector<int> all = {1};
  {
    std::jthread a([&] { pushed = full.Push(std::make_unique<int>(2), 1, stop.get_token()); });
    std::jthread b([&] { popped = empty.Pop(stop.get_token()); });
    std::jthread c([&] { all = empty.PopAll(5, stop.get_token()); });
    stop.request_stop();
  }
  EXPECT_FALSE(pushed);
  EXPECT_EQ(popped, std::nullopt);
  EXPECT_TRUE(all.empty());
  EXPECT_FALSE(full.Pop(stop.get_token()).has_value()) << "what is inside is dropped";
}

TEST(ByteQueueTest, ManyThreadsLoseNothing) {
  constexpr int kEach = 2'000;
  ByteQueue<int> queue(64);
  std::atomic<long> sum{0};
  {
    std::vector<std::jthread> consumers;
    for (int i = 0; i < 3; ++i) {
      consumers.emplace_back([&] {
        while (const auto item = queue.Pop({})) sum += *item;
      });
    }
    {
      std::vector<std::jthread> producers;
      for (int i = 0; i < 3; ++i) {
        producers.emplace_back([&] {
          for (int item = 1; item <= kEach; ++item) queue.Push(item, item % 100, {});
        });
      }
    }
    queue.Close();
  }
  EXPECT_EQ(sum, 3L * kEach * (kEach + 1) / 2);
}

TEST(FirstErrorTest, FirstFailureWinsAndStops) {
  FirstError error;
  error.Report(absl::OkStatus());
  EXPECT_FALSE(error.stop_token().stop_requested());
  EXPECT_TRUE(error.status().ok());
  error.Report(absl::DataLossError("first"));
  error.Report(absl::InternalError("second"));
  EXPECT_TRUE(error.stop_token().stop_requested());
  EXPECT_EQ(error.status().message(), "first");
}

}  // namespace
}  // namespace holdfast
