// The scheduler as operators see and change it: where a plan's values come from, what is coming.
#include <algorithm>

#include "common/base/error.h"
#include "controller/schedule/scheduler.h"
#include "controller/schedule/times.h"
#include "fmt/format.h"

namespace holdfast::schedule {
namespace {

constexpr char kCronKey[] = "schedule.cron";
constexpr char kZoneKey[] = "schedule.zone";
constexpr char kJitterKey[] = "schedule.jitter";

void ApplyFile(const std::optional<std::string>& value, const std::string& place,
               Setting* setting) {
  if (value) *setting = {*value, Origin::kFile, place, "", 0};
}

}  // namespace

Scheduler::Texts Scheduler::TextsOf(const catalog::SourceRow& source,
                                    const std::string& agent_name) const {
  Texts texts;
  const ScheduleGroup* group = nullptr;
  for (const ScheduleGroup& each : config_.groups) {
    if (group == nullptr && NamesSource(each.sources, source.name, agent_name)) group = &each;
  }
  if (group != nullptr) texts.group = group->name;
  const std::string place = "group '" + texts.group + "'";
  const auto resolve = [&](const char* key, const char* fallback,
                           std::optional<std::string> PlanTexts::*field) {
    Setting setting{fallback, Origin::kDefault, "", "", 0};
    ApplyFile(config_.all.*field, "schedule", &setting);
    if (group != nullptr) {
      ApplyFile(group->plan.*field, place, &setting);
      commands_.Apply(GroupScope(group->name), key, place, &setting);
    }
    commands_.Apply(SourceScope(source.id), key, "source", &setting);
    return setting;
  };
  texts.cron = resolve(kCronKey, kDefaultCron, &PlanTexts::cron);
  texts.zone = resolve(kZoneKey, kDefaultZone, &PlanTexts::zone);
  texts.jitter = resolve(kJitterKey, kDefaultJitter, &PlanTexts::jitter);
  return texts;
}

absl::StatusOr<std::vector<SourceSchedule>> Scheduler::List(std::size_t runs_ahead) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(true));
  std::vector<SourceSchedule> list;
  for (const catalog::SourceRow& source : sources) {
    SourceSchedule& one = list.emplace_back();
    one.source = source;
    ASSIGN_OR_RETURN(one.agent_name, AgentName(source.agent));
    Texts texts = TextsOf(source, one.agent_name);
    one.group = std::move(texts.group);
    one.cron = std::move(texts.cron);
    one.zone = std::move(texts.zone);
    one.jitter = std::move(texts.jitter);
    one.row = EntryOf(source.id).row;
    one.run = runs_.StateOf(source.id);
    const auto plan = MakePlan(one.cron.text, one.zone.text, one.jitter.text);
    if (!plan.ok()) {
      one.problem = MessageOf(plan.status());
      continue;
    }
    if (one.row.paused_at_ms != 0) continue;
    const absl::Duration offset = OffsetOf(source.id, plan->jitter);
    const absl::Time now = env_.clock.Now();
    const Look look = LookAt(*plan, offset, StandingOf(one.row), now);
    if (look.fire && runs_ahead > 0) one.next.push_back(now);
    const std::optional<absl::Duration> retry = EntryOf(source.id).retry_due;
    if (retry && !look.fire) {
      const absl::Time at = now + std::max(absl::ZeroDuration(), *retry - env_.clock.Monotonic());
      if (at < look.due + offset) one.retry = at;
      if (one.retry && runs_ahead > 0) one.next.push_back(at);
    }
    for (absl::Time due = look.due; one.next.size() < runs_ahead;) {
      one.next.push_back(due + offset);
      due = plan->cron.NextAfter(due, plan->zone);
    }
  }
  return list;
}

void Scheduler::Reconfigure(ScheduleConfig config) {
  std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

// Values were checked by the caller.
absl::Status Scheduler::SetValues(const std::string& scope, const std::string& object,
                                  const Change& change) {
  const std::uint64_t now_ms = ToMillis(env_.clock.Now());
  std::vector<catalog::SettingRow> rows;
  const auto add = [&](const char* key, const std::optional<std::string>& value) {
    if (value || change.use_default) {
      rows.push_back({scope, key, value.value_or(""), change.by, now_ms});
    }
  };
  add(kCronKey, change.plan.cron);
  add(kZoneKey, change.plan.zone);
  add(kJitterKey, change.plan.jitter);
  const catalog::AuditEntry audit{now_ms, change.by, "schedule.set", object,
                                  ChangesText(commands_, rows)};
  RETURN_IF_ERROR(
      catalog_.audit().Audited(audit, [&] { return catalog_.planning().SetSettings(rows); }));
  ASSIGN_OR_RETURN(auto settings, catalog_.planning().ListSettings());
  commands_ = CommandSettings(std::move(settings));
  return absl::OkStatus();
}

absl::Status Scheduler::SetForSource(const SourceId& source, const Change& change) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(catalog_.GetSource(source).status());
  RETURN_IF_ERROR(MakePlan(change.plan.cron.value_or(kDefaultCron),
                           change.plan.zone.value_or(kDefaultZone),
                           change.plan.jitter.value_or(kDefaultJitter))
                      .status());
  return SetValues(SourceScope(source), catalog::QualifiedName(catalog_, source), change);
}

absl::Status Scheduler::SetForGroup(const std::string& group, const Change& change) {
  std::lock_guard lock(mutex_);
  bool known = false;
  for (const ScheduleGroup& each : config_.groups) known = known || each.name == group;
  if (!known) {
    return Error(ErrorKind::kNotFound, 5093,
                 fmt::format("unable to find the schedule group '{}'", Escaped(group)),
                 "Groups stand in controller.yaml: schedule: {groups: [{name, sources}]}.");
  }
  RETURN_IF_ERROR(MakePlan(change.plan.cron.value_or(kDefaultCron),
                           change.plan.zone.value_or(kDefaultZone),
                           change.plan.jitter.value_or(kDefaultJitter))
                      .status());
  return SetValues(GroupScope(group), "group " + group, change);
}

absl::Status Scheduler::Pause(const SourceId& source, const std::string& by) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(catalog_.GetSource(source).status());
  Entry& entry = EntryOf(source);
  catalog::ScheduleRow row = entry.row;
  if (row.paused_at_ms != 0) return absl::OkStatus();
  row.paused_at_ms = ToMillis(env_.clock.Now());
  row.paused_by = by;
  ForgetRetry(&row);
  const bool waits = runs_.StateOf(source).kind == RunState::Kind::kWaiting;
  if (waits) {
    runs_.Withdraw(row.run_id);
    row.run_id.clear();
    entry.waiting_since.reset();
  }
  return PutAudited(
      &entry, row,
      {row.paused_at_ms, by, "schedule.pause", catalog::QualifiedName(catalog_, source), ""});
}

absl::Status Scheduler::Resume(const SourceId& source, const std::string& by) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(catalog_.GetSource(source).status());
  Entry& entry = EntryOf(source);
  catalog::ScheduleRow row = entry.row;
  if (row.paused_at_ms == 0) return absl::OkStatus();
  row.paused_at_ms = 0;
  row.paused_by.clear();
  row.due_ms = 0;  // what passed meanwhile is not caught up
  return PutAudited(
      &entry, row,
      {ToMillis(env_.clock.Now()), by, "schedule.resume", catalog::QualifiedName(catalog_, source),
       fmt::format("was paused by {}", entry.row.paused_by)});
}

}  // namespace holdfast::schedule
