// Times of a calendar, written as cron does: "0 2 * * *", "*/15 8-18 * * mon-fri", "@daily".
//
// Hides:      the five fields, names, steps, and what a time zone's changes do to them.
// Invariants: I1  A day matches as in Vixie cron: when day of month and day of week are both given,
//                 either is enough.
//             I2  A time that the zone leaves out (clocks go forward) is the instant at which they
//                 go forward. A time that comes twice is its first instant only.
//             I3  Except when the hour is "*": then every hour that passes is meant, also the one
//                 that comes twice, and none is invented for one that does not come.
//             I4  What can never come ("0 0 31 2 *") is refused.
// Threading:  values and pure functions.
// Errors:     kUsage 5090 (the text), 5091 (the zone).
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast::schedule {

class Cron {
 public:
  static absl::StatusOr<Cron> Parse(std::string_view text);
  const std::string& text() const { return text_; }

  // The first time after `after`; in whole minutes of the zone.
  absl::Time NextAfter(absl::Time after, absl::TimeZone zone) const;
  // The last time at or before `now` that is not before `first`, which is one; and how many came
  // before it. Counting ends at kMostCounted.
  struct Passed {
    absl::Time last;
    std::uint64_t before = 0;
  };
  static constexpr std::uint64_t kMostCounted = 10'000;
  Passed PassedSince(absl::Time first, absl::Time now, absl::TimeZone zone) const;

 private:
  bool MatchesDay(absl::CivilDay day) const;
  bool CanCome() const;
  absl::Time NextOfEveryHour(absl::Time after, absl::TimeZone zone) const;

  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;  // 0 is Sunday
  bool any_day_ = true;      // the field is *
  bool any_weekday_ = true;
};

// By its name in the system's time zone data: "UTC", "Europe/Berlin".
absl::StatusOr<absl::TimeZone> FindZone(const std::string& name);

}  // namespace holdfast::schedule
