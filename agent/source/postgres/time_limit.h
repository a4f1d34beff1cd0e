// How long a backup may keep its snapshot open: warns at half of the time and stops the run at the
// end of it, also when nothing moves any more.
//
// Hides:      the watching thread.
// Invariants: when the time is over, stop_token() is requested, and every error of the run is
//             explained by that.
// Threading:  any thread; the destructor joins.
// Errors:     kSource 2113; kUnreachable 1030 when nothing can watch the time: the run ends at
//             once.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "common/env/clock.h"

namespace holdfast::source {

class TimeLimit {
 public:
  // Runs from now on. A stop of `outer` is passed on.
  TimeLimit(Clock& clock, absl::Duration limit, std::stop_token outer);

  std::stop_token stop_token() const { return stop_.get_token(); }
  bool half_is_used() const { return half_is_used_; }
  absl::Status Check() const;                       // 2113 when the time is over, or 1030
  absl::Status Explain(absl::Status status) const;  // 2113 instead of what the end of time caused

 private:
  void Watch(std::stop_token done);

  Clock& clock_;
  const absl::Duration limit_;
  std::stop_source stop_;
  std::atomic<bool> half_is_used_ = false;
  std::atomic<bool> over_ = false;
  std::stop_callback<std::function<void()>> forward_;
  absl::Status watched_;
  std::jthread watch_;  // last: it uses all above
};

}  // namespace holdfast::source
