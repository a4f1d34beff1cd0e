// Times as the catalog has them: Unix milliseconds, 0 for none.
// Threading: pure functions.
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "controller/catalog/planning.h"
#include "controller/schedule/look.h"

namespace holdfast::schedule {

inline std::uint64_t ToMillis(absl::Time time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, absl::ToUnixMillis(time)));
}
inline absl::Time FromMillis(std::uint64_t unix_ms) {
  if (unix_ms == 0) return absl::InfinitePast();
  return absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}
inline Standing StandingOf(const catalog::ScheduleRow& row) {
  return {FromMillis(row.due_ms), FromMillis(row.fired_ms)};
}

}  // namespace holdfast::schedule
