#include "agent/transport/upload_limit.h"

#include <algorithm>

namespace holdfast::transport {
namespace {

constexpr absl::Duration kBurst = absl::Seconds(1);

}  // namespace

BytesPerSecond LimitAt(const UploadTimetable& timetable, absl::Time now, absl::TimeZone zone) {
  for (const UploadWindow& window : timetable.windows) {
    if (Holds(window.hours, now, zone)) return window.limit;
  }
  return timetable.limit;
}

bool UploadLimit::Wait(std::uint64_t bytes, std::stop_token stop) {
  absl::Duration wait;
  {
    std::lock_guard lock(mutex_);
    const BytesPerSecond limit = LimitAt(timetable_, clock_.Now(), zone_);
    const absl::Duration now = clock_.Monotonic();
    if (!limit) {
      all_sent_ = now;
      return !stop.stop_requested();
    }
    all_sent_ = std::max(all_sent_, now - kBurst);
    wait = all_sent_ - now;  // the piece may go when those before it are through
    all_sent_ += absl::Seconds(static_cast<double>(bytes) / static_cast<double>(*limit));
  }
  if (wait <= absl::ZeroDuration()) return !stop.stop_requested();
  return clock_.SleepFor(wait, stop);
}

void UploadLimit::Set(UploadTimetable timetable) {
  std::lock_guard lock(mutex_);
  timetable_ = std::move(timetable);
}

}  // namespace holdfast::transport
