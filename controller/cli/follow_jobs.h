// Watching jobs to their end: progress, a lost connection, Ctrl-C.
//
// Hides:      reconnecting, the two meanings of Ctrl-C (leave; cancel), the progress board.
// Invariants: I1  kDone means that every job has a result.
//             I2  Leaving never stops a job; only a second Ctrl-C asks the controller to.
// Threading:  one thread.
// Errors:     kUnreachable 1140 when the controller stays away for five minutes; the controller's
//             own for jobs it does not know.
#pragma once

#include <optional>
#include <vector>

#include "controller/cli/context.h"
#include "controller/cli/render/report.h"

namespace holdfast::cli {

struct FollowedJob {
  Bytes job_id;
  std::string label;  // of the row; escaped by the board
};

// Follows the jobs, prints what became of each, and returns the exit code: 0, that of the most
// serious result, or kFailed after leaving.
int FollowJobs(Context& context, OperatorClient& client, JobKind kind,
               const std::vector<FollowedJob>& jobs);

}  // namespace holdfast::cli
