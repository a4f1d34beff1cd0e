#include "common/rate/rate_limit.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr absl::Duration kBurst = absl::Seconds(1);

}  // namespace

BytesPerSecond LimitAt(const RateTimetable& timetable, absl::Time now, absl::TimeZone zone) {
  for (const RateWindow& window : timetable.windows) {
    if (Holds(window.hours, now, zone)) return window.limit;
  }
  return timetable.limit;
}

absl::Duration RateLimit::Take(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const BytesPerSecond limit = LimitAt(timetable_, clock_.Now(), zone_);
  const absl::Duration now = clock_.Monotonic();
  if (!limit) {
    all_sent_ = now;
    return absl::ZeroDuration();
  }
  all_sent_ = std::max(all_sent_, now - kBurst);
  const absl::Duration wait = all_sent_ - now;  // it may go when those before it are through
  all_sent_ += absl::Seconds(static_cast<double>(bytes) / static_cast<double>(*limit));
  return std::max(wait, absl::ZeroDuration());
}

bool RateLimit::Wait(std::uint64_t bytes, std::stop_token stop) {
  const absl::Duration wait = Take(bytes);
  if (wait == absl::ZeroDuration()) return !stop.stop_requested();
  return clock_.SleepFor(wait, stop);
}

void RateLimit::Set(RateTimetable timetable) {
  std::lock_guard lock(mutex_);
  timetable_ = std::move(timetable);
}

}  // namespace holdfast
