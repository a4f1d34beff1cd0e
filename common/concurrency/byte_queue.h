// A queue between two stages of a pipeline, bounded in bytes.
//
// Invariants: I1  The items inside weigh at most `limit_bytes`, or there is exactly one of them (an
//                 item heavier than the limit passes alone), so a pipeline's memory is the sum of
//                 its queues' limits.
//             I2  After Close, Push refuses and Pop drains what is left, then returns nothing.
//             I3  A stop request ends every wait at once; what is inside is then dropped.
// Threading:  any number of producers and consumers.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

namespace holdfast {

template <typename T>
class ByteQueue {
 public:
  explicit ByteQueue(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // False when the queue was closed or `stop` requested: the item was not taken.
  bool Push(T item, std::size_t bytes, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    const bool woken = room_.wait(
        lock, stop, [&] { return closed_ || items_.empty() || bytes_ + bytes <= limit_bytes_; });
    if (!woken || closed_ || stop.stop_requested()) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    filled_.notify_one();
    return true;
  }

  std::optional<T> Pop(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    if (!Wait(lock, stop)) return std::nullopt;
    return TakeFront();
  }

  // Everything that waits, at least one item and then no more than `most` and `most_bytes`; empty
  // at the end.
  std::vector<T> PopAll(std::size_t most, std::stop_token stop,
                        std::size_t most_bytes = static_cast<std::size_t>(-1)) {
    std::unique_lock lock(mutex_);
    std::vector<T> result;
    if (!Wait(lock, stop)) return result;
    std::size_t bytes = 0;
    do {
      bytes += items_.front().second;
      result.push_back(TakeFront());
    } while (!items_.empty() && result.size() < most &&
             items_.front().second <= most_bytes - std::min(most_bytes, bytes));
    return result;
  }

  // The same, and nothing when no item came within `patience`.
  std::optional<std::vector<T>> PopAllWithin(
      std::chrono::milliseconds patience, std::size_t most, std::stop_token stop,
      std::size_t most_bytes = static_cast<std::size_t>(-1)) {
    {
      std::unique_lock lock(mutex_);
      const bool ready =
          filled_.wait_for(lock, stop, patience, [&] { return closed_ || !items_.empty(); });
      if (!ready && !stop.stop_requested()) return std::nullopt;
    }
    return PopAll(most, stop, most_bytes);
  }

  void Close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    filled_.notify_all();
    room_.notify_all();
  }

 private:
  bool Wait(std::unique_lock<std::mutex>& lock, std::stop_token stop) {
    filled_.wait(lock, stop, [&] { return closed_ || !items_.empty(); });
    return !items_.empty() && !stop.stop_requested();
  }

  T TakeFront() {
    auto [item, bytes] = std::move(items_.front());
    items_.pop_front();
    bytes_ -= bytes;
    room_.notify_all();
    return std::move(item);
  }

  const std::size_t limit_bytes_;
  std::mutex mutex_;  // guards all below
  std::condition_variable_any room_;
  std::condition_variable_any filled_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace holdfast
