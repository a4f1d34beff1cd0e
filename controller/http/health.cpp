#include "controller/http/health.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "common/report/json.h"
#include "fmt/format.h"

namespace holdfast::http {
namespace {

using report::Json;
using report::JsonLine;

constexpr std::uint64_t kLeastFreeBytes = 1ull << 30;

Json TimeJson(absl::Time time) {
  if (time == absl::InfinitePast()) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string_view StateName(SourceState state) {
  switch (state) {
    case SourceState::kOk:
      return "ok";
    case SourceState::kNever:
      return "never";
    case SourceState::kFailed:
      return "failed";
    case SourceState::kStale:
      return "stale";
    case SourceState::kDamaged:
      return "damaged";
  }
  return "unknown";
}

std::string Title(const SourceFacts& source) {
  return fmt::format("source '{}' of agent '{}'", Escaped(source.name), Escaped(source.agent));
}

std::string HoursText(absl::Duration duration) {
  return fmt::format("{:.1f} h", absl::ToDoubleHours(duration));
}

// Beside what its objective says.
std::string ReasonOf(const SourceFacts& source) {
  switch (StateOf(source)) {
    case SourceState::kOk:
    case SourceState::kStale:
      return "";
    case SourceState::kNever:
      return Title(source) + " has never been backed up";
    case SourceState::kFailed:
      return fmt::format("the last backup of {} failed (HF-{:04})", Title(source),
                         source.failure->error_code);
    case SourceState::kDamaged:
      return fmt::format("{} snapshots of {} need chunks that are lost or damaged",
                         source.damaged_snapshots, Title(source));
  }
  return "";
}

void JudgeObjective(const SourceFacts& source, std::vector<std::string>* reasons) {
  const SourcePlan& plan = source.plan;
  if (plan.is_too_old && source.newest) {
    reasons->push_back(
        fmt::format("the newest restorable point of {} is {} old, its objective is {}",
                    Title(source), HoursText(plan.recovery_age),
                    HoursText(plan.recovery_point.value_or(absl::ZeroDuration()))));
  }
  if (plan.is_restore_too_slow) {
    reasons->push_back(
        fmt::format("a restore of {} takes longer than its objective", Title(source)));
  }
}

Json SourceJson(const SourceFacts& source, absl::Time now) {
  const bool has_any = source.newest.has_value();
  return {{"name", source.name},
          {"agent", source.agent},
          {"kind", source.kind},
          {"state", StateName(StateOf(source))},
          {"last_backup", TimeJson(source.last_success())},
          {"age_seconds",
           has_any ? Json(absl::ToInt64Seconds(now - source.last_success())) : Json(nullptr)},
          {"objective_seconds", source.plan.recovery_point
                                    ? Json(absl::ToInt64Seconds(*source.plan.recovery_point))
                                    : Json(nullptr)},
          {"partial", has_any && source.newest->partial},
          {"connected", source.is_connected},
          {"next_scheduled", TextOrNull(source.plan.next_run)}};
}

}  // namespace

SourceState StateOf(const SourceFacts& source) {
  if (source.damaged_snapshots > 0) return SourceState::kDamaged;
  if (source.failure) return SourceState::kFailed;
  if (!source.newest) return SourceState::kNever;
  if (source.plan.is_too_old) return SourceState::kStale;
  return SourceState::kOk;
}

Health Judge(const Facts& facts) {
  Health health;
  if (!facts.has_owner) health.reasons.push_back("this controller has no owner yet");
  if (facts.has_owner && facts.sources.empty())
    health.reasons.push_back("there are no sources yet");
  if (!facts.is_writable) health.reasons.push_back("the store refuses writes after a failed sync");
  if (facts.free_bytes < kLeastFreeBytes) {
    health.reasons.push_back("less than 1 GiB is free where the store lies");
  }
  if (facts.was_reload_refused) {
    health.reasons.push_back(
        "the changed configuration is not used; 'holdfast status' says what is wrong with it");
  }
  for (const SourceFacts& source : facts.sources) {
    const std::string reason = ReasonOf(source);
    if (!reason.empty()) health.reasons.push_back(reason);
    JudgeObjective(source, &health.reasons);
  }
  for (const std::string& name : facts.broken_systems) {
    health.reasons.push_back(fmt::format("system '{}' breaks its objective", Escaped(name)));
  }
  if (facts.outbox && facts.outbox->undelivered > 0) {
    health.reasons.push_back(
        fmt::format("{} messages about alerts are not delivered", facts.outbox->undelivered));
  }
  return health;
}

std::string HealthJson(const Facts& facts) {
  const Health health = Judge(facts);
  absl::Time last = absl::InfinitePast();
  Json sources = Json::array();
  for (const SourceFacts& source : facts.sources) {
    last = std::max(last, source.last_success());
    sources.push_back(SourceJson(source, facts.at));
  }
  return JsonLine({{"backup_system", health.healthy() ? "healthy" : "degraded"},
                   {"last_backup", TimeJson(last)},
                   {"next_scheduled", TextOrNull(facts.next_scheduled)},
                   {"sources", std::move(sources)},
                   {"reasons", health.reasons}});
}

std::string HealthJsonWithout(const std::string& reason) {
  return JsonLine({{"backup_system", "degraded"},
                   {"last_backup", nullptr},
                   {"next_scheduled", nullptr},
                   {"sources", Json::array()},
                   {"reasons", {reason}}});
}

}  // namespace holdfast::http
