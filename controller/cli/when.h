// Times and durations as an operator writes them.
// Threading: pure functions. Errors: kUsage 1123 with the cause only.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast::cli {

// "2026-01-07", "2026-01-07 02:00", "2026-01-07T02:00:13", each with an optional zone: "Z", "UTC",
// "+02:00" or " Europe/Berlin"; else `zone`. The instant just after the day, minute or second.
absl::StatusOr<absl::Time> ParseEndOfTime(std::string_view text, absl::TimeZone zone);

// "90s", "15m", "4h", "7d", one number and one unit, greater than zero.
absl::StatusOr<absl::Duration> ParseSpan(std::string_view text);

}  // namespace holdfast::cli
