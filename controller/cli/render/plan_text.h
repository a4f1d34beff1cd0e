// Schedules and objectives in an operator's words.
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "controller/cli/operator_values.h"

namespace holdfast::cli {

// "default", "file: group 'databases'", "command: root, 2026-01-07 02:00 UTC"
std::string OriginText(const Setting& setting, absl::TimeZone zone);

// "retry 1 of 3", of the one that comes or runs
std::string RetryText(const SourceSchedule& schedule);

// "2026-01-08 02:00 UTC (retry 1 of 3)", "running for 3m10s", "waits for its agent", "paused by
// root"
std::string NextRunText(const SourceSchedule& schedule, absl::Time now, absl::TimeZone zone);

// "24h ok", "24h late", "24h BROKEN", "24h none yet" of a source that is new
std::string RpoText(const ObjectiveStanding& standing);

}  // namespace holdfast::cli
