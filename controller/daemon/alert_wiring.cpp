#include "controller/daemon/alert_wiring.h"

#include <map>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

std::string BrokenText(const objective::Standing& standing) {
  if (standing.state == objective::State::kBroken) {
    return fmt::format("the newest restorable point is {} old, allowed are {}",
                       absl::FormatDuration(absl::Trunc(standing.age, absl::Minutes(1))),
                       standing.rpo.text);
  }
  return fmt::format("a restore takes longer than the {} that are allowed", standing.rto.text);
}

}  // namespace

absl::StatusOr<alert::Facts> FactsWithObjectives::Look() {
  ASSIGN_OR_RETURN(alert::Facts facts, base_.Look());
  ASSIGN_OR_RETURN(const objective::Report report, objectives_.Judge());
  std::map<SourceId, const objective::Standing*> standings;
  for (const objective::SourceStanding& one : report.sources) {
    standings[one.source.id] = &one.standing;
  }
  for (alert::SourceFacts& source : facts.sources) {
    const auto found = standings.find(source.id);
    if (found == standings.end()) continue;
    const bool broken = found->second->broken();
    source.objective = broken ? alert::ObjectiveState::kBroken : alert::ObjectiveState::kMet;
    if (broken) source.objective_text = BrokenText(*found->second);
  }
  return facts;
}

void ScheduleAlerts::OnLate(const catalog::SourceRow& source) {
  sink_->Report({alert::EventKind::kRunMissed, source.id, "its run waits for the agent"});
}

void ScheduleAlerts::OnSkipped(const catalog::SourceRow& source, std::uint64_t in_a_row) {
  if (in_a_row < schedule::kSkipsBeforeEvent) return;
  sink_->Report(
      {alert::EventKind::kRunMissed, source.id,
       fmt::format("{} runs in a row were skipped: the one before is still active", in_a_row)});
}

}  // namespace holdfast::daemon
