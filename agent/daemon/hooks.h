// The `hooks` of a source in agent.yaml: commands of this host before and after a backup run.
//
//   hooks:
//     before: {run: [/usr/local/bin/quiesce, shop], time_limit: 5m}
//     after: {run: [/usr/local/bin/resume, shop]}
// Hides:      processes, their environment, their time limit.
// Invariants: I1  What runs stands in this host's file only: a list of arguments, never a shell,
// and
//                 nothing that the controller sends.
//             I2  A run that `before` let begin, or that `before` failed, is followed by `after`.
//             I3  A command that takes too long is killed with all that it started.
// Threading:  RunHook blocks.
// Errors:     kUsage with file, line and column; kSource 2020 when a command fails.
//
// Environment: HOLDFAST_SOURCE, HOLDFAST_KIND, HOLDFAST_RUN; for `after` also HOLDFAST_OUTCOME
// (done, partial, failed), HOLDFAST_EXIT_CODE and, when there is one, HOLDFAST_SNAPSHOT ("db@57").
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/config.h"

namespace holdfast::daemon {

struct Hook {
  std::vector<std::string> argv;  // empty: none
  absl::Duration time_limit = absl::Minutes(5);
};

struct Hooks {
  Hook before;
  Hook after;
};

absl::StatusOr<Hooks> ReadHooks(const ConfigNode& source);

struct RunFacts {
  std::string source;
  std::string kind;
  std::string run;      // in hex
  std::string outcome;  // empty: before the run
  int exit_code = 0;
  std::uint64_t seq = 0;  // 0: no snapshot
};

// OK at once when there is none. `name` is "before" or "after".
absl::Status RunHook(const Hook& hook, std::string_view name, const RunFacts& facts,
                     std::stop_token stop);

}  // namespace holdfast::daemon
