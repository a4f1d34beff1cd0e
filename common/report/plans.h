// Schedules and objectives as JSON, and the words that warnings and tables share.
// Threading: pure functions.
#pragma once

#include <string>

#include "common/report/json.h"
#include "common/report/schedule_types.h"

namespace holdfast::report {

// "3m10s of 4h", "about 3m10s of 4h" while nothing was measured, with "TOO SLOW" when it is
std::string RtoText(const ObjectiveStanding& standing);

Json SettingJson(const Setting& setting);
Json ScheduleJson(const SourceSchedule& schedule);
Json StandingJson(const ObjectiveStanding& standing);

}  // namespace holdfast::report
