// Bytes that many queues may hold together, so that their number does not decide about memory.
//
// Invariants: I1  The shares hold `limit_bytes` at most, and beyond that each one item: a share
//                 that holds nothing is given what it asks for at once, so none waits for others
//                 that are slow.
//             I2  A share that ends gives back what it holds.
// Threading:  any number of shares; of one share one thread takes, any give.
// Errors:     none.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <stop_token>

namespace holdfast {

class ByteBudget {
 public:
  explicit ByteBudget(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { Give(held_); }

    // False when `stop` was requested: nothing was taken.
    bool Take(std::size_t bytes, std::stop_token stop) {
      std::unique_lock lock(budget_.mutex_);
      const bool fits = budget_.given_back_.wait(
          lock, stop, [&] { return held_ == 0 || budget_.held_ + bytes <= budget_.limit_bytes_; });
      if (!fits) return false;
      held_ += bytes;
      budget_.held_ += bytes;
      return true;
    }

    void Give(std::size_t bytes) {
      std::lock_guard lock(budget_.mutex_);
      held_ -= bytes;
      budget_.held_ -= bytes;
      budget_.given_back_.notify_all();
    }

   private:
    ByteBudget& budget_;
    std::size_t held_ = 0;  // under the budget's lock
  };

 private:
  const std::size_t limit_bytes_;
  std::mutex mutex_;  // guards all below, and what the shares hold
  std::condition_variable_any given_back_;
  std::size_t held_ = 0;
};

}  // namespace holdfast
