// Exponential backoff with full jitter: 1 s, 2 s, 4 s … up to a limit (fault row 13).
// Threading: one thread.
#pragma once

#include <algorithm>
#include <stop_token>

#include "common/env/env.h"

namespace holdfast::transport {

class Backoff {
 public:
  explicit Backoff(Env env, absl::Duration first = absl::Seconds(1),
                   absl::Duration limit = absl::Seconds(30))
      : env_(env), first_(first), limit_(limit), next_(first) {}

  // False when `stop` was requested.
  bool Wait(std::stop_token stop) {
    std::uint16_t random = 0;
    env_.rng.Fill(reinterpret_cast<char*>(&random), sizeof random);
    const absl::Duration wait = next_ * (0.5 + random / 131072.0);
    next_ = std::min(next_ * 2, limit_);
    return env_.clock.SleepFor(wait, stop);
  }
  void Reset() { next_ = first_; }

 private:
  Env env_;
  absl::Duration first_;
  absl::Duration limit_;
  absl::Duration next_;
};

}  // namespace holdfast::transport
