#include "controller/daemon/monitor_views.h"

#include <algorithm>

#include "common/base/error.h"

namespace holdfast::daemon {
namespace {

std::string RunText(absl::Time at) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", at, absl::UTCTimeZone());
}

bool HasDefaultPlan(const schedule::SourceSchedule& one) {
  return one.cron.origin == schedule::Origin::kDefault &&
         one.zone.origin == schedule::Origin::kDefault && !one.next.empty();
}

std::string NextScheduled(const std::vector<schedule::SourceSchedule>& schedules) {
  if (!schedules.empty() && std::all_of(schedules.begin(), schedules.end(), HasDefaultPlan)) {
    return schedule::kDefaultWords;
  }
  absl::Time next = absl::InfiniteFuture();
  for (const schedule::SourceSchedule& one : schedules) {
    if (!one.next.empty()) next = std::min(next, one.next.front());
  }
  return next == absl::InfiniteFuture() ? "" : RunText(next);
}

absl::StatusOr<http::Plans> PlansOf(schedule::Scheduler& scheduler,
                                    objective::Objectives& objectives) {
  http::Plans plans;
  ASSIGN_OR_RETURN(const auto schedules, scheduler.List(1));
  plans.next_scheduled = NextScheduled(schedules);
  for (const schedule::SourceSchedule& one : schedules) {
    if (!one.next.empty()) plans.sources[one.source.id].next_run = RunText(one.next.front());
  }
  ASSIGN_OR_RETURN(const objective::Report report, objectives.Judge());
  for (const objective::SourceStanding& one : report.sources) {
    http::SourcePlan& plan = plans.sources[one.source.id];
    const objective::Standing& standing = one.standing;
    // A text that cannot be read was refused where it was set.
    const auto allowed = objective::ReadTarget("rpo", standing.rpo.text);
    if (allowed.ok()) plan.recovery_point = *allowed;
    plan.recovery_age = standing.age;
    plan.is_too_old = standing.state == objective::State::kBroken;
    plan.is_restore_too_slow = standing.restore_too_slow && standing.restore.measured;
  }
  for (const objective::SystemStanding& one : report.systems) {
    if (one.standing.broken()) plans.broken_systems.push_back(one.name);
  }
  return plans;
}

// A message that only waits for its time is not undelivered: one that a channel did not take is.
absl::StatusOr<http::Outbox> OutboxOf(catalog::AlertBook& book) {
  ASSIGN_OR_RETURN(const auto messages, book.UnfinishedMessages());
  ASSIGN_OR_RETURN(const catalog::AlertCounts counts, book.CountAlerts());
  http::Outbox outbox{messages.size(), counts.dead_messages};
  for (const catalog::MessageRow& message : messages) {
    if (!message.error.empty()) ++outbox.undelivered;
  }
  return outbox;
}

}  // namespace

http::Views MonitorViews(const operator_service::OperatorServiceOptions& options) {
  http::Views views;
  views.is_connected = [board = options.board](const AgentId& agent) {
    return board->IsConnected(agent);
  };
  views.unfinished_jobs = [board = options.board] { return board->CountUnfinished(); };
  views.plans = [scheduler = options.scheduler, objectives = options.objectives] {
    return PlansOf(*scheduler, *objectives);
  };
  views.outbox = [alerts = options.alerts] { return OutboxOf(alerts->engine().book()); };
  views.was_reload_refused = [trouble = options.config_trouble] { return !trouble().empty(); };
  return views;
}

}  // namespace holdfast::daemon
