// The `objectives` part of controller.yaml: how old the newest restorable point may be (RPO), how
// long a restore may take (RTO).
//
//   objectives:
//     kinds:                                  # for every source of the kind
//       postgres: {rpo: 24h, rto: 4h}
//       redis: {rpo: 1h, rto: 30m}
//     systems:                                # sources that come back together
//       - {name: shop, sources: [db, cache, web-1/uploads], rpo: 24h, rto: 4h}
// Hides:     YAML.
// Threading: values and pure functions.
// Errors:    kUsage with file, line and column; for what is no YAML kUsage 5094.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config.h"

namespace holdfast::objective {

// What one place says; what it does not say is absent.
struct TargetTexts {
  std::optional<std::string> rpo;
  std::optional<std::string> rto;
};

struct System {
  std::string name;
  std::vector<std::string> sources;  // "db", or "web-1/db"
  TargetTexts targets;
};

struct ObjectiveConfig {
  std::map<std::string, TargetTexts> kinds;
  std::vector<System> systems;
};

absl::StatusOr<ObjectiveConfig> ReadObjectiveConfig(const ConfigNode& root);

// Texts as they are by default, for a kind of source; "" is a whole system.
struct DefaultTargets {
  const char* rpo;
  const char* rto;
};
DefaultTargets DefaultTargetsOf(std::string_view kind);

// A minute to a year.
absl::StatusOr<absl::Duration> ReadTarget(std::string_view what, const std::string& text);

}  // namespace holdfast::objective
