#include "controller/objective/objectives.h"

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "controller/schedule/schedule_config.h"
#include "controller/schedule/times.h"
#include "fmt/format.h"

namespace holdfast::objective {
namespace {

using schedule::FromMillis;
using schedule::Origin;
using schedule::Setting;
using schedule::ToMillis;

constexpr char kRpoKey[] = "objective.rpo";
constexpr char kRtoKey[] = "objective.rto";

std::string SystemScope(const std::string& name) { return "system:" + name; }

// All that the catalog says, read once for a report.
struct Known {
  absl::Time now;
  schedule::CommandSettings commands;
  std::map<SourceId, std::vector<std::uint64_t>> damaged;  // seqs, ascending
  std::map<SourceId, std::uint64_t> first_seen_ms;
  std::map<SourceId, catalog::RestoreMeasure> measures;
};

absl::StatusOr<Known> ReadKnown(catalog::Catalog& catalog, absl::Time now) {
  Known known;
  known.now = now;
  ASSIGN_OR_RETURN(auto settings, catalog.planning().ListSettings());
  known.commands = schedule::CommandSettings(std::move(settings));
  ASSIGN_OR_RETURN(const auto damage, catalog.ListDamage());
  for (const catalog::DamagedSource& one : damage) known.damaged[one.id] = one.seqs;
  ASSIGN_OR_RETURN(const auto rows, catalog.planning().ListSchedules());
  for (const catalog::ScheduleRow& row : rows) known.first_seen_ms[row.source] = row.first_seen_ms;
  ASSIGN_OR_RETURN(const auto measures, catalog.planning().ListRestoreMeasures());
  for (const catalog::RestoreMeasure& one : measures) known.measures[one.source] = one;
  return known;
}

Setting Resolve(const Known& known, const char* key, const char* fallback,
                const std::optional<std::string>& from_file, const std::string& place,
                const std::string& scope) {
  Setting setting{fallback, Origin::kDefault, "", "", 0};
  if (from_file) setting = {*from_file, Origin::kFile, place, "", 0};
  known.commands.Apply(scope, key, place, &setting);
  return setting;
}

// Values in the catalog were checked when they were set.
absl::Status JudgeTargets(Standing* standing) {
  ASSIGN_OR_RETURN(const absl::Duration rpo, ReadTarget("RPO", standing->rpo.text));
  ASSIGN_OR_RETURN(const absl::Duration rto, ReadTarget("RTO", standing->rto.text));
  standing->state = JudgeAge(standing->age, rpo);
  standing->restore_too_slow = standing->restore.time > rto;
  return absl::OkStatus();
}

absl::Status FindPoint(catalog::Catalog& catalog, const Known& known, SourceStanding* out) {
  const SourceId& id = out->source.id;
  const auto damaged = known.damaged.find(id);
  const std::size_t bad = damaged == known.damaged.end() ? 0 : damaged->second.size();
  ASSIGN_OR_RETURN(const auto snapshots,
                   catalog.ListSnapshots(id, static_cast<std::uint32_t>(bad + 1)));
  Standing& standing = out->standing;
  std::uint64_t bytes = snapshots.empty() ? 0 : snapshots.front().content_bytes;
  for (const catalog::SnapshotRow& row : snapshots) {
    if (bad > 0 && std::binary_search(damaged->second.begin(), damaged->second.end(), row.seq)) {
      continue;
    }
    standing.point = FromMillis(std::min(row.taken_at_ms, row.committed_at_ms));
    out->seq = row.seq;
    bytes = row.content_bytes;
    break;
  }
  const auto seen = known.first_seen_ms.find(id);
  const absl::Time since =
      seen == known.first_seen_ms.end() || seen->second == 0 ? known.now : FromMillis(seen->second);
  standing.age = std::max(absl::ZeroDuration(), known.now - standing.point.value_or(since));
  const auto measure = known.measures.find(id);
  std::optional<catalog::RestoreMeasure> measured;
  if (measure != known.measures.end()) measured = measure->second;
  standing.restore = EstimateRestore(bytes, measured);
  if (standing.restore.measured) out->restored_at_ms = measured->at_ms;
  return absl::OkStatus();
}

SystemStanding Together(const System& system, const std::vector<SourceStanding>& sources) {
  SystemStanding out;
  out.name = system.name;
  out.standing.restore.measured = true;
  bool first = true;
  for (const SourceStanding& one : sources) {
    if (!schedule::NamesSource(system.sources, one.source.name, one.agent_name)) continue;
    out.sources.push_back(one.source.name);
    const Standing& standing = one.standing;
    if (first || standing.age > out.standing.age) {
      out.standing.age = standing.age;
      out.standing.point = standing.point;
    }
    out.standing.restore.time += standing.restore.time;
    out.standing.restore.measured = out.standing.restore.measured && standing.restore.measured;
    first = false;
  }
  for (const std::string& name : system.sources) {
    const bool known = std::any_of(sources.begin(), sources.end(), [&](const auto& one) {
      return schedule::NamesSource({name}, one.source.name, one.agent_name);
    });
    if (!known) out.unknown.push_back(name);
  }
  if (first) out.standing.restore.measured = false;
  return out;
}

}  // namespace

Objectives::Objectives(Env env, catalog::Catalog& catalog, ObjectiveConfig config)
    : env_(env), catalog_(catalog), config_(std::move(config)) {}

absl::StatusOr<Report> Objectives::Judge() {
  ObjectiveConfig config;
  {
    std::lock_guard lock(mutex_);
    config = config_;
  }
  Report report;
  ASSIGN_OR_RETURN(const Known known, ReadKnown(catalog_, env_.clock.Now()));
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(true));
  for (const catalog::SourceRow& source : sources) {
    SourceStanding& one = report.sources.emplace_back();
    one.source = source;
    ASSIGN_OR_RETURN(const catalog::AgentRow agent, catalog_.GetAgent(source.agent));
    one.agent_name = agent.name;
    const DefaultTargets fallback = DefaultTargetsOf(source.kind);
    const auto of_kind = config.kinds.find(source.kind);
    const TargetTexts from_file = of_kind == config.kinds.end() ? TargetTexts() : of_kind->second;
    const std::string place = "objectives of kind " + source.kind;
    const std::string scope = schedule::SourceScope(source.id);
    one.standing.rpo = Resolve(known, kRpoKey, fallback.rpo, from_file.rpo, place, scope);
    one.standing.rto = Resolve(known, kRtoKey, fallback.rto, from_file.rto, place, scope);
    RETURN_IF_ERROR(FindPoint(catalog_, known, &one));
    RETURN_IF_ERROR(JudgeTargets(&one.standing));
  }
  for (const System& system : config.systems) {
    SystemStanding one = Together(system, report.sources);
    const DefaultTargets fallback = DefaultTargetsOf("");
    const std::string place = "system '" + system.name + "'";
    const std::string scope = SystemScope(system.name);
    one.standing.rpo = Resolve(known, kRpoKey, fallback.rpo, system.targets.rpo, place, scope);
    one.standing.rto = Resolve(known, kRtoKey, fallback.rto, system.targets.rto, place, scope);
    RETURN_IF_ERROR(JudgeTargets(&one.standing));
    report.systems.push_back(std::move(one));
  }
  return report;
}

void Objectives::Reconfigure(ObjectiveConfig config) {
  std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

absl::Status Objectives::SetValues(const std::string& scope, const std::string& object,
                                   const Change& change) {
  const std::uint64_t now_ms = ToMillis(env_.clock.Now());
  std::vector<catalog::SettingRow> rows;
  const auto add = [&](const char* key, const char* what,
                       const std::optional<std::string>& value) -> absl::Status {
    if (value) RETURN_IF_ERROR(ReadTarget(what, *value).status());
    if (value || change.use_default) {
      rows.push_back({scope, key, value.value_or(""), change.by, now_ms});
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add(kRpoKey, "RPO", change.targets.rpo));
  RETURN_IF_ERROR(add(kRtoKey, "RTO", change.targets.rto));
  ASSIGN_OR_RETURN(auto before, catalog_.planning().ListSettings());
  const catalog::AuditEntry audit{
      now_ms, change.by, "objective.set", object,
      schedule::ChangesText(schedule::CommandSettings(std::move(before)), rows)};
  return catalog_.audit().Audited(audit, [&] { return catalog_.planning().SetSettings(rows); });
}

absl::Status Objectives::SetForSource(const SourceId& source, const Change& change) {
  RETURN_IF_ERROR(catalog_.GetSource(source).status());
  return SetValues(schedule::SourceScope(source), catalog::QualifiedName(catalog_, source), change);
}

absl::Status Objectives::NoteRestore(const SourceId& source, std::uint64_t bytes,
                                     absl::Duration time) {
  if (bytes == 0 || time <= absl::ZeroDuration()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto measures, catalog_.planning().ListRestoreMeasures());
  for (const catalog::RestoreMeasure& known : measures) {
    // One file, or one table, says less than everything did.
    if (known.source == source && bytes < known.bytes / 2) return absl::OkStatus();
  }
  return catalog_.planning().SetRestoreMeasure(
      {source, bytes, static_cast<std::uint64_t>(absl::ToInt64Milliseconds(time)),
       ToMillis(env_.clock.Now())});
}

absl::Status Objectives::SetForSystem(const std::string& system, const Change& change) {
  {
    std::lock_guard lock(mutex_);
    const bool known = std::any_of(config_.systems.begin(), config_.systems.end(),
                                   [&](const System& each) { return each.name == system; });
    if (!known) {
      return Error(ErrorKind::kNotFound, 5095,
                   fmt::format("unable to find the system '{}'", Escaped(system)),
                   "Systems stand in controller.yaml: objectives: {systems: [{name, sources}]}.");
    }
  }
  return SetValues(SystemScope(system), "system " + system, change);
}

}  // namespace holdfast::objective
