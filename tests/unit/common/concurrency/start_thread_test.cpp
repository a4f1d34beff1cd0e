// Goal: a thread that the system refuses is an error that may pass, and the process lives (fault
// row 35).
#include "common/concurrency/start_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "common/base/error.h"
#include "tests/support/no_more_threads.h"

namespace holdfast {
namespace {

TEST(StartThread, RunsTheBodyWithTheTokenOfTheThread) {
  std::atomic<bool> stopped = false;
  {
    std::jthread thread;
    ASSERT_TRUE(StartThread(&thread, [&](const std::stop_token& stop) {
                  const std::stop_callback note(stop, [&] { stopped = true; });
                  while (!stop.stop_requested()) std::this_thread::yield();
                }).ok());
    EXPECT_TRUE(thread.joinable());
  }
  EXPECT_TRUE(stopped);
}

TEST(StartThread, OneThatIsRefusedIsAnErrorThatMayPass) {
  std::jthread thread;
  bool ran = false;
  {
    const test::NoMoreThreads refuse;
    const absl::Status status = StartThread(&thread, [&](const std::stop_token&) { ran = true; });
    EXPECT_EQ(CodeOf(status), 1030);
    EXPECT_TRUE(absl::IsUnavailable(status));
    EXPECT_TRUE(IsRetryable(status));
    EXPECT_NE(HintOf(status).find("TasksMax"), std::string::npos);
    EXPECT_FALSE(thread.joinable());
    EXPECT_FALSE(ran);
  }
  ASSERT_TRUE(StartThread(&thread, [&](const std::stop_token&) { ran = true; }).ok());
  thread.join();
  EXPECT_TRUE(ran);
}

TEST(StartThreads, FewerThreadsDoTheWorkAndNoneIsAnError) {
  std::vector<std::jthread> threads;
  std::atomic<int> made = 0;
  std::atomic<int> done = 0;
  const auto make = [&]() -> std::function<void()> {
    ++made;
    return [&done] { ++done; };
  };
  ASSERT_TRUE(StartThreads(3, &threads, make).ok());
  EXPECT_EQ(threads.size(), 3u);
  threads.clear();
  EXPECT_EQ(done, 3);
  {
    const test::NoMoreThreads refuse;
    EXPECT_EQ(CodeOf(StartThreads(3, &threads, make)), 1030);
    EXPECT_TRUE(threads.empty());
  }
  // The second one meets the limit.
  std::optional<test::NoMoreThreads> refuse;
  ASSERT_TRUE(StartThreads(3, &threads, [&]() -> std::function<void()> {
                if (threads.size() == 1) refuse.emplace();
                return [&done] { ++done; };
              }).ok());
  EXPECT_EQ(threads.size(), 1u);
  refuse.reset();
  threads.clear();
  EXPECT_EQ(done, 4);
}

}  // namespace
}  // namespace holdfast
