// Whether it still pays to try: after failures in a row, fewer and fewer tries.
//
// Invariants: it doubts until the first success, and from a failure to the next success. After
//             kFailures in a row the next kFirstRest questions are answered no, after each
//             failure that follows twice as many as before, up to kLongestRest; a success
//             forgets it all.
// Threading:  any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace holdfast::delta {

class Perseverance {
 public:
  static constexpr std::uint32_t kFailures = 4;
  static constexpr std::uint32_t kFirstRest = 4;
  static constexpr std::uint32_t kLongestRest = 1024;

  bool ShouldTry() {
    std::lock_guard lock(mutex_);
    if (resting_ == 0) return true;
    --resting_;
    return false;
  }
  // A try is to be made cheaply first.
  bool Doubts() {
    std::lock_guard lock(mutex_);
    return doubts_;
  }
  void Succeeded() {
    std::lock_guard lock(mutex_);
    doubts_ = false;
    failures_ = 0;
    rest_ = kFirstRest;
  }
  void Failed() {
    std::lock_guard lock(mutex_);
    doubts_ = true;
    if (++failures_ < kFailures) return;
    resting_ = rest_;
    rest_ = std::min(rest_ * 2, kLongestRest);
  }

 private:
  std::mutex mutex_;  // guards all below
  bool doubts_ = true;
  std::uint32_t failures_ = 0;
  std::uint32_t resting_ = 0;
  std::uint32_t rest_ = kFirstRest;
};

}  // namespace holdfast::delta
