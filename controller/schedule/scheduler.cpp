#include "controller/schedule/scheduler.h"

#include "common/base/error.h"
#include "common/log/log.h"
#include "controller/schedule/retry.h"
#include "controller/schedule/times.h"
#include "fmt/format.h"

namespace holdfast::schedule {
namespace {

constexpr absl::Duration kLate = absl::Minutes(2);  // more than a look and a busy moment

}  // namespace

Scheduler::Scheduler(Env env, catalog::Catalog& catalog, BackupRuns& runs, ScheduleConfig config,
                     ScheduleObserver& observer)
    : env_(env), catalog_(catalog), runs_(runs), observer_(observer), config_(std::move(config)) {}

absl::Status Scheduler::Load() {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(auto settings, catalog_.planning().ListSettings());
  commands_ = CommandSettings(std::move(settings));
  ASSIGN_OR_RETURN(const auto rows, catalog_.planning().ListSchedules());
  for (const catalog::ScheduleRow& row : rows) {
    Entry& entry = EntryOf(row.source);
    entry.row = row;
    FollowRetry(&entry);
    if (row.run_id.empty()) continue;
    ASSIGN_OR_RETURN(const auto committed, catalog_.FindRun(row.source, row.run_id));
    if (committed) {
      catalog::ScheduleRow next = row;
      next.run_id.clear();
      next.skipped_in_row = 0;
      ForgetRetry(&next);
      RETURN_IF_ERROR(Put(&entry, next));
      continue;
    }
    ASSIGN_OR_RETURN(const catalog::SourceRow source, catalog_.GetSource(row.source));
    RETURN_IF_ERROR(runs_.Expect(source, row.run_id));
    entry.waiting_since = env_.clock.Monotonic();
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Tick() {
  runs_.Settle();
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(true));
  absl::Status first_error;
  for (const catalog::SourceRow& source : sources) {
    const absl::Status status = TickSource(source);
    if (first_error.ok() && !status.ok()) {
      first_error = WithContext(
          status, fmt::format("unable to follow the schedule of '{}'", Escaped(source.name)));
    }
  }
  return first_error;
}

absl::Status Scheduler::TickSource(const catalog::SourceRow& source) {
  Entry& entry = EntryOf(source.id);
  WatchWaiting(source, &entry);
  catalog::ScheduleRow row = entry.row;
  const absl::Time now = env_.clock.Now();
  if (row.first_seen_ms == 0) row.first_seen_ms = ToMillis(now);
  if (row.paused_at_ms != 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string agent, AgentName(source.agent));
  const Texts texts = TextsOf(source, agent);
  ASSIGN_OR_RETURN(const Plan plan, MakePlan(texts.cron.text, texts.zone.text, texts.jitter.text));
  const absl::Duration offset = OffsetOf(source.id, plan.jitter);
  const Look look = LookAt(plan, offset, StandingOf(row), now);
  if (!look.fire) {
    entry.late_since.reset();
    row.due_ms = ToMillis(look.due);
    if (row != entry.row) RETURN_IF_ERROR(Put(&entry, row));
    return RetryIfDue(source, &entry);
  }
  const bool is_late = now - FromMillis(row.due_ms) - offset > kLate;
  if (is_late) {
    const absl::Duration running = env_.clock.Monotonic();
    if (!entry.late_since) entry.late_since = running;
    if (running - *entry.late_since < offset) return absl::OkStatus();
  }
  return Fire(source, &entry, look, is_late);
}

// A run whose agent was away when it was due.
void Scheduler::WatchWaiting(const catalog::SourceRow& source, Entry* entry) {
  if (!entry->waiting_since) return;
  if (runs_.StateOf(source.id).kind != RunState::Kind::kWaiting) {
    if (entry->told_late) observer_.OnCaughtUp(source, FromMillis(entry->row.fired_ms));
    entry->waiting_since.reset();
    entry->told_late = false;
    return;
  }
  if (entry->told_late || env_.clock.Monotonic() - *entry->waiting_since < kLateAfter) return;
  entry->told_late = true;
  log::Warn("the run of source '{}' waits for its agent", Escaped(source.name));
  observer_.OnLate(source);
}

absl::Status Scheduler::Fire(const catalog::SourceRow& source, Entry* entry, const Look& look,
                             bool is_late) {
  catalog::ScheduleRow row = entry->row;
  row.due_ms = ToMillis(look.due);
  row.fired_ms = ToMillis(look.handled);
  ForgetRetry(&row);
  const RunState::Kind active = runs_.StateOf(source.id).kind;
  const bool waits = active == RunState::Kind::kWaiting;
  // The run that waits serves for this time too.
  const std::uint64_t missed = look.passed + (waits ? 1 : 0);
  row.missed += missed;
  entry->late_since.reset();
  if (waits) {
    RETURN_IF_ERROR(Put(entry, row));
  } else if (active == RunState::Kind::kRunning) {
    RETURN_IF_ERROR(Skip(source, entry, row));
  } else {
    RETURN_IF_ERROR(Claim(source, entry, row, is_late ? Cause::kLate : Cause::kCalendar));
  }
  if (missed > 0) {
    log::Warn("source '{}': {} scheduled runs were missed", Escaped(source.name), missed);
    observer_.OnMissed(source, missed);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Claim(const catalog::SourceRow& source, Entry* entry,
                              catalog::ScheduleRow row, Cause cause) {
  row.run_id = env_.rng.Draw(16);
  RETURN_IF_ERROR(Put(entry, row));
  const auto started = runs_.Start(source, row.run_id);
  if (!started.ok()) {
    RETURN_IF_ERROR(NotStarted(source, entry, row, cause));
    return started.status();
  }
  if (*started == BackupRuns::Started::kBusy) {
    row.run_id.clear();
    if (cause != Cause::kRetry) return Skip(source, entry, row);
    row.retry_at_ms = ToMillis(env_.clock.Now());  // when that run is over
    return Put(entry, row);
  }
  if (*started == BackupRuns::Started::kWaiting) {
    entry->waiting_since = env_.clock.Monotonic();
    entry->told_late = false;
    log::Warn("source '{}' is due, but its agent is away: it is backed up when it connects",
              Escaped(source.name));
    return absl::OkStatus();
  }
  const std::string_view detail = cause == Cause::kLate    ? ", later than planned"
                                  : cause == Cause::kRetry ? ", again after a failure"
                                                           : "";
  log::Info("source '{}' is backed up by its schedule{}", Escaped(source.name), detail);
  if (cause == Cause::kLate) observer_.OnCaughtUp(source, FromMillis(row.fired_ms));
  return absl::OkStatus();
}

absl::Status Scheduler::NotStarted(const catalog::SourceRow& source, Entry* entry,
                                   catalog::ScheduleRow row, Cause cause) {
  row.run_id.clear();
  if (cause == Cause::kRetry) {
    PlanRetry(source.id, &row);
    return Put(entry, row);
  }
  ++row.missed;
  RETURN_IF_ERROR(Put(entry, row));
  observer_.OnMissed(source, 1);
  return absl::OkStatus();
}

absl::Status Scheduler::Skip(const catalog::SourceRow& source, Entry* entry,
                             catalog::ScheduleRow row) {
  ++row.skipped;
  ++row.skipped_in_row;
  RETURN_IF_ERROR(Put(entry, row));
  log::Warn("source '{}' is due, but its run before is still active: skipped ({} in a row)",
            Escaped(source.name), row.skipped_in_row);
  observer_.OnSkipped(source, row.skipped_in_row);
  return absl::OkStatus();
}

absl::Status Scheduler::Finished(const SourceId& source, ByteView run_id, Outcome outcome) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(source);
  if (found == entries_.end()) return absl::OkStatus();
  catalog::ScheduleRow row = found->second.row;
  const bool is_claimed = !row.run_id.empty() && row.run_id == run_id;
  if (is_claimed) row.run_id.clear();
  if (outcome == Outcome::kDone) {
    row.skipped_in_row = 0;
    ForgetRetry(&row);
  } else if (is_claimed && outcome == Outcome::kFailed) {
    PlanRetry(source, &row);
  } else if (is_claimed) {
    ForgetRetry(&row);
  }
  return row == found->second.row ? absl::OkStatus() : Put(&found->second, row);
}

Scheduler::Entry& Scheduler::EntryOf(const SourceId& source) {
  Entry& entry = entries_[source];
  entry.row.source = source;
  return entry;
}

// Memory follows the catalog, never the other way round.
absl::Status Scheduler::Put(Entry* entry, const catalog::ScheduleRow& row) {
  RETURN_IF_ERROR(catalog_.planning().SetSchedule(row));
  Remember(entry, row);
  return absl::OkStatus();
}

absl::Status Scheduler::PutAudited(Entry* entry, const catalog::ScheduleRow& row,
                                   const catalog::AuditEntry& audit) {
  RETURN_IF_ERROR(
      catalog_.audit().Audited(audit, [&] { return catalog_.planning().SetSchedule(row); }));
  Remember(entry, row);
  return absl::OkStatus();
}

void Scheduler::Remember(Entry* entry, const catalog::ScheduleRow& row) {
  const bool same_retry = row.retry_at_ms == entry->row.retry_at_ms;
  entry->row = row;
  if (!same_retry) FollowRetry(entry);
}

absl::StatusOr<std::string> Scheduler::AgentName(const AgentId& agent) {
  const auto found = agent_names_.find(agent);
  if (found != agent_names_.end()) return found->second;
  ASSIGN_OR_RETURN(const catalog::AgentRow row, catalog_.GetAgent(agent));
  return agent_names_[agent] = row.name;
}

}  // namespace holdfast::schedule
