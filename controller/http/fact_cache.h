// Facts that are at most some seconds old, however many ask for them.
//
// Invariants: I1  The catalog is asked at most once per kFreshFor, by one caller at a time; the
//                 others take what is there.
//             I2  A catalog that does not answer blocks one caller, and the others for kPatience;
//                 then it is kUnreachable 6094.
// Threading:  Get from any thread.
// Errors:     of the catalog; kUnreachable 6094.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "common/env/clock.h"
#include "controller/http/facts.h"

namespace holdfast::http {

inline constexpr absl::Duration kFreshFor = absl::Seconds(2);
inline constexpr absl::Duration kUsableFor = absl::Seconds(30);
inline constexpr absl::Duration kPatience = absl::Seconds(3);

class FactCache {
 public:
  FactCache(Clock& clock, std::function<absl::StatusOr<Facts>()> gather)
      : clock_(clock), gather_(std::move(gather)) {}

  absl::StatusOr<std::shared_ptr<const Facts>> Get();

 private:
  absl::StatusOr<std::shared_ptr<const Facts>> Wait(std::unique_lock<std::mutex>& lock);

  Clock& clock_;
  const std::function<absl::StatusOr<Facts>()> gather_;
  std::mutex mutex_;  // guards all below; not held while the catalog is asked
  std::condition_variable changed_;
  bool is_asking_ = false;
  std::uint64_t answers_ = 0;
  absl::Duration asked_at_;
  absl::StatusOr<std::shared_ptr<const Facts>> last_ = std::shared_ptr<const Facts>();
};

}  // namespace holdfast::http
