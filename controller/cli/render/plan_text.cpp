#include "controller/cli/render/plan_text.h"

#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {

std::string OriginText(const Setting& setting, absl::TimeZone zone) {
  if (setting.origin == "file") return "file: " + Escaped(setting.place, 80);
  if (setting.origin == "command") {
    return fmt::format("command: {}, {}", Escaped(setting.set_by, 64),
                       TimeText(setting.set_at_ms, zone));
  }
  return Escaped(setting.origin, 20);
}

std::string RetryText(const SourceSchedule& schedule) {
  return fmt::format("retry {} of {}", schedule.retries, schedule.most_retries);
}

std::string NextRunText(const SourceSchedule& schedule, absl::Time now, absl::TimeZone zone) {
  if (schedule.running_since_ms != 0) {
    const absl::Time since =
        absl::FromUnixMillis(static_cast<std::int64_t>(schedule.running_since_ms));
    const std::string text = "running for " + AgeText(now - since);
    const bool is_retry = schedule.retries != 0 && schedule.retry_ms == 0;
    return is_retry ? fmt::format("{} ({})", text, RetryText(schedule)) : text;
  }
  if (schedule.paused_at_ms != 0) return "paused by " + Escaped(schedule.paused_by, 64);
  if (schedule.waiting) return "waits for its agent";
  if (!schedule.problem.empty()) return "NONE: the schedule cannot be read";
  if (schedule.retry_ms != 0) {
    return fmt::format("{} ({})", TimeText(schedule.retry_ms, zone), RetryText(schedule));
  }
  return schedule.next_ms.empty() ? "-" : TimeText(schedule.next_ms.front(), zone);
}

std::string RpoText(const ObjectiveStanding& standing) {
  const bool met = standing.state == "met";
  const std::string_view word = met && standing.point_ms == 0 ? "none yet"
                                : met                         ? "ok"
                                : standing.state == "late"    ? "late"
                                                              : "BROKEN";
  return fmt::format("{} {}", Escaped(standing.rpo.text, 20), word);
}

}  // namespace holdfast::cli
