#include "common/report/plans.h"

#include "common/report/age.h"
#include "fmt/format.h"

namespace holdfast::report {

std::string RtoText(const ObjectiveStanding& standing) {
  return fmt::format("{}{} of {}{}", standing.restore_measured ? "" : "about ",
                     AgeText(absl::Seconds(static_cast<std::int64_t>(standing.restore_seconds))),
                     Escaped(standing.rto.text, 20), standing.restore_too_slow ? " TOO SLOW" : "");
}

Json SettingJson(const Setting& setting) {
  Json json = {{"value", setting.text}, {"origin", setting.origin}};
  if (!setting.place.empty()) json["place"] = setting.place;
  if (setting.set_at_ms != 0) {
    json["set_by"] = setting.set_by;
    json["set_at"] = JsonTime(setting.set_at_ms);
  }
  return json;
}

Json ScheduleJson(const SourceSchedule& schedule) {
  Json next = Json::array();
  for (const std::uint64_t at_ms : schedule.next_ms) next.push_back(JsonTime(at_ms));
  return {{"source", schedule.source.name},
          {"source_id", schedule.source.id.hex()},
          {"agent", schedule.agent_name},
          {"group", schedule.group},
          {"cron", SettingJson(schedule.cron)},
          {"zone", SettingJson(schedule.zone)},
          {"jitter", SettingJson(schedule.jitter)},
          {"problem", schedule.problem},
          {"next", std::move(next)},
          {"paused", schedule.paused_at_ms != 0},
          {"paused_at", JsonTime(schedule.paused_at_ms)},
          {"paused_by", schedule.paused_by},
          {"last_due", JsonTime(schedule.last_due_ms)},
          {"waiting", schedule.waiting},
          {"running_since", JsonTime(schedule.running_since_ms)},
          {"skipped", schedule.skipped},
          {"skipped_in_row", schedule.skipped_in_row},
          {"missed", schedule.missed},
          {"retry_at", JsonTime(schedule.retry_ms)},
          {"retries", schedule.retries},
          {"most_retries", schedule.most_retries}};
}

Json StandingJson(const ObjectiveStanding& standing) {
  return {{"rpo", SettingJson(standing.rpo)},
          {"rto", SettingJson(standing.rto)},
          {"newest_restorable", JsonTime(standing.point_ms)},
          {"age_seconds", standing.age_seconds},
          {"state", standing.state},
          {"restore_seconds", standing.restore_seconds},
          {"restore_measured", standing.restore_measured},
          {"restore_too_slow", standing.restore_too_slow},
          {"broken", standing.broken}};
}

}  // namespace holdfast::report
