// Schedules and objectives in an operator's words, and as JSON.
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "controller/cli/render/json.h"
#include "controller/cli/schedule_types.h"

namespace holdfast::cli {

// "default", "file: group 'databases'", "command: root, 2026-01-07 02:00 UTC"
std::string OriginText(const Setting& setting, absl::TimeZone zone);
Json SettingJson(const Setting& setting);

// "2026-01-08 02:00 UTC", "running for 3m10s", "waits for its agent", "paused by root"
std::string NextRunText(const SourceSchedule& schedule, absl::Time now, absl::TimeZone zone);
Json ScheduleJson(const SourceSchedule& schedule);

// "24h ok", "24h late", "24h BROKEN", "24h none yet" of a source that is new
std::string RpoText(const ObjectiveStanding& standing);
// "3m10s of 4h", "about 3m10s of 4h" while nothing was measured, with "TOO SLOW" when it is
std::string RtoText(const ObjectiveStanding& standing);
Json StandingJson(const ObjectiveStanding& standing);

}  // namespace holdfast::cli
