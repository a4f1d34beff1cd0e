// The `schedule` part of controller.yaml: when each source is backed up.
//
//   schedule:
//     cron: "0 2 * * *"         # for every source
//     zone: UTC
//     jitter: 2m                # up to so much later, for each source always the same
//     groups:
//       - {name: databases, sources: [db, web-1/cache], cron: "0 */4 * * *", zone: Europe/Berlin}
// Hides:     YAML.
// Threading: values and pure functions.
// Errors:    kUsage with file, line and column; for what is no YAML kUsage 5090, 5091, 5092.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "controller/schedule/cron.h"

namespace holdfast::schedule {

inline constexpr char kDefaultCron[] = "0 2 * * *";
inline constexpr char kDefaultZone[] = "UTC";
inline constexpr char kDefaultWords[] = "02:00 UTC daily";  // both, for people
inline constexpr char kDefaultJitter[] = "2m";

// What one place of the file says; what it does not say is absent.
struct PlanTexts {
  std::optional<std::string> cron;
  std::optional<std::string> zone;
  std::optional<std::string> jitter;
};

struct ScheduleGroup {
  std::string name;
  std::vector<std::string> sources;  // "db", or "web-1/db" where two agents have one of that name
  PlanTexts plan;
};

struct ScheduleConfig {
  PlanTexts all;
  std::vector<ScheduleGroup> groups;  // the first that names a source counts
};

absl::StatusOr<ScheduleConfig> ReadScheduleConfig(const ConfigNode& root);

// Names and source lists are read the same way wherever sources are put together.
struct NamedSources {
  std::string name;
  std::vector<std::string> sources;
};
absl::StatusOr<NamedSources> ReadNamedSources(const ConfigNode& node);
bool NamesSource(const std::vector<std::string>& names, const std::string& source,
                 const std::string& agent);

// A plan that is ready to be used.
struct Plan {
  Cron cron;
  absl::TimeZone zone;
  absl::Duration jitter;
};
absl::StatusOr<Plan> MakePlan(const std::string& cron, const std::string& zone,
                              const std::string& jitter);

}  // namespace holdfast::schedule
