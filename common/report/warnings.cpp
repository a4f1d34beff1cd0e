#include "common/report/warnings.h"

#include "common/base/error.h"
#include "common/report/age.h"
#include "common/report/plans.h"
#include "fmt/format.h"

namespace holdfast::report {
namespace {

absl::Duration AgeOf(absl::Time now, std::uint64_t unix_ms) {
  return now - absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

void WarnOfPlans(const SourceStatus& one, std::vector<Warning>* warnings) {
  const std::string name = Escaped(one.source.name);
  if (one.objective && one.objective->standing.state == "broken") {
    const ObjectiveStanding& standing = one.objective->standing;
    warnings->push_back(
        {fmt::format("source '{}' breaks its objective: nothing newer than {} can be restored, {} "
                     "is allowed",
                     name, AgeText(absl::Seconds(static_cast<std::int64_t>(standing.age_seconds))),
                     Escaped(standing.rpo.text, 20)),
         "holdfast backup " + name});
  }
  if (one.objective && one.objective->standing.restore_too_slow) {
    warnings->push_back(
        {fmt::format("a restore of source '{}' takes {}", name, RtoText(one.objective->standing)),
         "holdfast objective set " + name + " --rto … says what is bearable."});
  }
  if (!one.schedule) return;
  const SourceSchedule& schedule = *one.schedule;
  if (schedule.paused_at_ms != 0) {
    warnings->push_back({fmt::format("the schedule of source '{}' is paused by {}", name,
                                     Escaped(schedule.paused_by, 64)),
                         "holdfast schedule resume " + name});
  }
  if (schedule.waiting) {
    warnings->push_back({fmt::format("source '{}' is due, but its agent is away", name), ""});
  }
  if (schedule.skipped_in_row >= 2) {
    warnings->push_back(
        {fmt::format("{} scheduled runs of source '{}' were skipped in a row: one is still active",
                     schedule.skipped_in_row, name),
         "holdfast schedule list " + name});
  }
  if (!schedule.problem.empty()) {
    warnings->push_back({fmt::format("source '{}' is not backed up by itself: {}", name,
                                     Escaped(schedule.problem, 200)),
                         "holdfast schedule set " + name + " --default"});
  }
}

}  // namespace

std::vector<std::string> BrokenOf(const StatusReport& status) {
  std::vector<std::string> names;
  for (const SystemObjective& one : status.systems) {
    if (one.standing.broken) names.push_back(one.name);
  }
  for (const SourceStatus& one : status.sources) {
    if (one.objective && one.objective->standing.broken) names.push_back(one.source.name);
  }
  return names;
}

std::vector<Warning> WarningsOf(const StatusReport& status, absl::Time now) {
  std::vector<Warning> warnings;
  if (!status.installation.initialized) {
    warnings.push_back({"this controller has no owner yet", "holdfast init"});
  }
  for (const SourceStatus& one : status.sources) {
    const std::string name = Escaped(one.source.name);
    if (!one.last_error.empty()) {
      std::string text =
          fmt::format("source '{}' failed {} ago: {}", name,
                      AgeText(AgeOf(now, one.last_error_at_ms)), Escaped(one.last_error, 400));
      if (one.failures_in_row > 1) {
        text += fmt::format(" ({} times in a row)", one.failures_in_row);
      }
      if (one.last_error_code != 0) text += fmt::format(" (HF-{:04})", one.last_error_code);
      warnings.push_back({std::move(text), "holdfast backup " + name});
    }
    if (!one.newest) {
      warnings.push_back(
          {fmt::format("source '{}' has never been backed up", name), "holdfast backup " + name});
    } else if (one.newest->partial) {
      warnings.push_back(
          {fmt::format("the newest snapshot of source '{}' is incomplete", name), ""});
    }
    WarnOfPlans(one, &warnings);
  }
  for (const AgentInfo& agent : status.agents) {
    if (agent.removed || agent.connected) continue;
    const std::string seen =
        agent.last_seen_ms == 0
            ? "it was never seen"
            : fmt::format("last seen {} ago", AgeText(AgeOf(now, agent.last_seen_ms)));
    warnings.push_back({fmt::format("agent '{}' is not connected ({})", Escaped(agent.name), seen),
                        "Look at holdfast-agent on its host."});
  }
  for (const Damage& one : status.damage) {
    warnings.push_back(
        {fmt::format("{} chunks are lost or damaged that {} snapshots of source '{}' need (the "
                     "newest: {})",
                     one.chunks, one.seqs.size(), Escaped(one.source_name),
                     one.seqs.empty() ? 0 : one.seqs.back()),
         "holdfast backup " + Escaped(one.source_name) +
             " stores again what the source still has; 'holdfast scrub' names all."});
  }
  for (const std::string& text : status.warnings) warnings.push_back({Escaped(text, 500), ""});
  return warnings;
}

}  // namespace holdfast::report
