// Goal: who waits gets its turn beside a thread that locks again and again.
#include "common/concurrency/fair_mutex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "common/env/env.h"

namespace holdfast {
namespace {

TEST(FairMutexTest, AThreadThatLocksAtOnceAgainComesAfterOneThatWaits) {
  FairMutex mutex;
  std::atomic<bool> done = false;
  int greedy_turns = 0;  // guarded by mutex
  std::jthread greedy([&] {
    while (!done) {
      std::lock_guard lock(mutex);
      ++greedy_turns;
    }
  });
  const auto turns = [&] {
    std::lock_guard lock(mutex);
    RealClock().SleepFor(absl::Milliseconds(2), {});  // the other one comes meanwhile
    return greedy_turns;
  };
  while (turns() == 0) {
  }
  // One for one; less only where the other thread could not run for 2 ms, so the best of some.
  // Never twice in a row; only where the other thread could not run for 2 ms, so the best of some.
  constexpr int kTurns = 20;
  int most_in_turn = 0;
  for (int attempt = 0; attempt < 10 && most_in_turn < kTurns; ++attempt) {
    int in_turn = 0;
    for (int i = 0, last = turns(); i < kTurns; ++i) {
      const int now = turns();
      in_turn += now > last;
      last = now;
    }
    most_in_turn = std::max(most_in_turn, in_turn);
  }
  done = true;
  EXPECT_EQ(most_in_turn, kTurns);
}

}  // namespace
}  // namespace holdfast
