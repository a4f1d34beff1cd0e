// A part of the week by local time: days, from, to; past midnight as well.
//
// Threading: values and pure functions. Errors: kUsage 1017 with file, line and column.
#pragma once

#include <cstdint>

#include "common/config/config.h"

namespace holdfast {

struct WeekHours {
  std::uint8_t days = 0x7f;  // bit 0: Monday … bit 6: Sunday; of the day on which it begins
  int from_minute = 0;       // of the local day
  int to_minute = 0;         // at or before from_minute: of the next day
};

bool Holds(const WeekHours& hours, absl::Time now, absl::TimeZone zone);

// `days: mon-fri` or `days: [sat, sun]` (every day when missing), `from: "08:00"`, `to: "20:00"`.
// Other keys of the map are the caller's.
absl::StatusOr<WeekHours> ReadWeekHours(const ConfigNode& node);
// "08:00" as minutes since midnight; "24:00" is the end of the day.
absl::StatusOr<int> ReadTimeOfDay(const ConfigNode& node, std::string_view key);

}  // namespace holdfast
