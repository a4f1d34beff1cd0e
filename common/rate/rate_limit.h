// How many bytes may pass per second, by the time of day: what an agent sends, what a controller
// takes.
//
// Hides:      the arithmetic of a token bucket of one second (GCRA, ITU-T I.371: one remembered
//             moment instead of tokens), and which line of the timetable holds now.
// Invariants: I1  Over any time t the bytes let through are at most one second's worth and rate ×
//                 t, plus the piece that was let through last, whatever its size.
//             I2  The wall clock only chooses the rate; waiting goes by the monotonic clock.
// Threading:  any thread; pieces are let through in the order of the calls.
// Errors:     none.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "absl/time/time.h"
#include "common/config/week_hours.h"
#include "common/env/env.h"

namespace holdfast {

using BytesPerSecond = std::optional<std::uint64_t>;  // nothing: no limit

struct RateWindow {
  WeekHours hours;
  BytesPerSecond limit;
};

struct RateTimetable {
  BytesPerSecond limit;             // when no window holds
  std::vector<RateWindow> windows;  // the first that holds counts
};

BytesPerSecond LimitAt(const RateTimetable& timetable, absl::Time now, absl::TimeZone zone);

class RateLimit {
 public:
  RateLimit(Clock& clock, RateTimetable timetable, absl::TimeZone zone = absl::LocalTimeZone())
      : clock_(clock), zone_(zone), timetable_(std::move(timetable)) {}

  // Counts `bytes` in and says how long they must wait.
  absl::Duration Take(std::uint64_t bytes);
  // The same, and waits. False when `stop` was requested meanwhile.
  bool Wait(std::uint64_t bytes, std::stop_token stop);
  void Set(RateTimetable timetable);

 private:
  Clock& clock_;
  const absl::TimeZone zone_;
  std::mutex mutex_;  // guards all below
  RateTimetable timetable_;
  absl::Duration all_sent_ = -absl::InfiniteDuration();  // when what was let through is through
};

}  // namespace holdfast
