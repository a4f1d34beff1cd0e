// A mutex that is had in the order in which threads came for it.
//
// Hides:      numbers that are drawn and called.
// Invariants: a thread that unlocks and locks at once comes after all who waited meanwhile. A
//             std::mutex promises no such thing: short holds in a row by one thread starve others.
// Threading:  any thread; not recursive. For holds that are long beside a switch of threads, which
//             every change of hands costs.
// Errors:     none.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace holdfast {

class FairMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const std::uint64_t number = drawn_++;
    called_changed_.wait(lock, [&] { return called_ == number; });
  }
  void unlock() {
    std::lock_guard lock(mutex_);
    ++called_;
    called_changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable called_changed_;
  std::uint64_t drawn_ = 0;   // guarded by mutex_
  std::uint64_t called_ = 0;  // guarded by mutex_: whose turn it is
};

}  // namespace holdfast
