// The first error of several threads, and the stop that it causes.
//
// Invariants: the first failure reported is the one returned; reporting it requests the stop. OK
//             reports do nothing.
// Threading:  every method from any thread.
#pragma once

#include <mutex>
#include <stop_token>

#include "absl/status/status.h"

namespace holdfast {

class FirstError {
 public:
  void Report(absl::Status status) {
    if (status.ok()) return;
    {
      std::lock_guard lock(mutex_);
      if (!status_.ok()) return;
      status_ = std::move(status);
    }
    stop_.request_stop();
  }
  absl::Status status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }
  std::stop_token stop_token() const { return stop_.get_token(); }

 private:
  mutable std::mutex mutex_;
  absl::Status status_;
  std::stop_source stop_;
};

}  // namespace holdfast
