// A limit in a configuration file, by the host's local time: `upload` of agent.yaml (how fast the
// agent may send), `ingest` of controller.yaml (how fast all agents together may).
//
//   upload:
//     limit: 20 MiB                                      # per second; absent: no limit
//     timetable:                                         # the first line that holds counts
//       - {days: mon-fri, from: "08:00", to: "20:00", limit: 2 MiB}
//       - {days: [sat, sun], from: "22:00", to: "06:00"} # past midnight, no limit
// Threading: pure. Errors: kUsage with file, line and column.
#pragma once

#include "common/config/config.h"
#include "common/rate/rate_limit.h"

namespace holdfast {

absl::StatusOr<RateTimetable> ReadRateTimetable(const ConfigNode& node);

}  // namespace holdfast
