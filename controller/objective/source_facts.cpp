#include "controller/objective/source_facts.h"

#include <map>

#include "common/base/error.h"
#include "controller/schedule/times.h"

namespace holdfast::objective {

absl::StatusOr<std::vector<SourceFacts>> GatherFacts(catalog::Catalog& catalog,
                                                     schedule::BackupRuns& runs,
                                                     Objectives& objectives) {
  ASSIGN_OR_RETURN(const Report report, objectives.Judge());
  ASSIGN_OR_RETURN(const auto rows, catalog.planning().ListSchedules());
  std::map<SourceId, catalog::ScheduleRow> schedules;
  for (const catalog::ScheduleRow& row : rows) schedules[row.source] = row;
  std::vector<SourceFacts> all;
  for (const SourceStanding& one : report.sources) {
    SourceFacts& facts = all.emplace_back();
    facts.source = one.source;
    facts.agent_name = one.agent_name;
    facts.standing = one.standing;
    ASSIGN_OR_RETURN(const auto newest, catalog.ListSnapshots(one.source.id, 1));
    if (!newest.empty()) facts.last_success = schedule::FromMillis(newest[0].committed_at_ms);
    ASSIGN_OR_RETURN(facts.last_failure, catalog.LastFailure(one.source.id));
    if (facts.last_failure) facts.failures_in_row = facts.last_failure->in_row;
    const schedule::RunState state = runs.StateOf(one.source.id);
    if (state.kind == schedule::RunState::Kind::kRunning) facts.running_since = state.since;
    facts.waiting = state.kind == schedule::RunState::Kind::kWaiting;
    const catalog::ScheduleRow& row = schedules[one.source.id];
    facts.first_seen = schedule::FromMillis(row.first_seen_ms);
    facts.paused = row.paused_at_ms != 0;
    facts.skipped_in_row = row.skipped_in_row;
    facts.missed = row.missed;
  }
  return all;
}

}  // namespace holdfast::objective
