// The `upload` part of agent.yaml: how fast this agent may send, by the host's local time.
//
//   upload:
//     limit: 20 MiB                                      # per second; absent: no limit
//     timetable:                                         # the first line that holds counts
//       - {days: mon-fri, from: "08:00", to: "20:00", limit: 2 MiB}
//       - {days: [sat, sun], from: "22:00", to: "06:00"} # past midnight, no limit
// Threading: pure. Errors: kUsage with file, line and column.
#pragma once

#include "agent/transport/upload_limit.h"
#include "common/config/config.h"

namespace holdfast::daemon {

absl::StatusOr<transport::UploadTimetable> ReadUploadTimetable(const ConfigNode& node);

}  // namespace holdfast::daemon
