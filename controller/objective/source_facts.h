// What is known of each source at one moment, for those who judge by it: alerts, health, metrics.
//
// Threading: from any thread. Errors: of the catalog.
#pragma once

#include <optional>
#include <vector>

#include "controller/catalog/catalog.h"
#include "controller/objective/objectives.h"
#include "controller/schedule/backup_runs.h"

namespace holdfast::objective {

struct SourceFacts {
  catalog::SourceRow source;
  std::string agent_name;
  std::optional<absl::Time> last_success;   // when its newest snapshot was committed
  absl::Time first_seen;                    // when the schedule first saw the source
  std::optional<absl::Time> running_since;  // of the run that is active
  bool waiting = false;                     // a run waits for the agent
  bool paused = false;
  std::uint64_t failures_in_row = 0;
  std::optional<catalog::RunFailure> last_failure;  // since the last success
  std::uint64_t skipped_in_row = 0;
  std::uint64_t missed = 0;  // ever
  Standing standing;
};

// Of all sources that an agent has.
absl::StatusOr<std::vector<SourceFacts>> GatherFacts(catalog::Catalog& catalog,
                                                     schedule::BackupRuns& runs,
                                                     Objectives& objectives);

}  // namespace holdfast::objective
