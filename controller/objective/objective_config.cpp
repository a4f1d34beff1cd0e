#include "controller/objective/objective_config.h"

#include <set>

#include "common/base/error.h"
#include "common/config/values.h"
#include "controller/schedule/schedule_config.h"
#include "fmt/format.h"

namespace holdfast::objective {
namespace {

constexpr absl::Duration kLeastTarget = absl::Minutes(1);
constexpr absl::Duration kMostTarget = absl::Hours(24 * 366);

absl::Status ReadOne(const ConfigNode& node, std::string_view key,
                     std::optional<std::string>* out) {
  if (!node.Has(key)) return absl::OkStatus();
  ASSIGN_OR_RETURN(*out, node.Text(key));
  const auto read = ReadTarget(key, **out);
  if (read.ok()) return absl::OkStatus();
  return node.Find(key)->Refuse(MessageOf(read.status()), HintOf(read.status()));
}

absl::StatusOr<TargetTexts> ReadTargets(const ConfigNode& node) {
  TargetTexts targets;
  RETURN_IF_ERROR(ReadOne(node, "rpo", &targets.rpo));
  RETURN_IF_ERROR(ReadOne(node, "rto", &targets.rto));
  return targets;
}

}  // namespace

DefaultTargets DefaultTargetsOf(std::string_view kind) {
  if (kind == "redis") return {"1h", "30m"};
  if (kind == "files") return {"24h", "2h"};
  return {"24h", "4h"};
}

absl::StatusOr<absl::Duration> ReadTarget(std::string_view what, const std::string& text) {
  const auto read = ParseDuration(text);
  if (read && *read >= kLeastTarget && *read <= kMostTarget) return *read;
  return Error(ErrorKind::kUsage, 5094,
               fmt::format("unable to read the {} '{}': not a duration from 1 minute to 366 days",
                           what, Escaped(text, 40)),
               "Write for example 30m, 4h or 1d.");
}

absl::StatusOr<ObjectiveConfig> ReadObjectiveConfig(const ConfigNode& root) {
  ObjectiveConfig config;
  const auto node = root.Find("objectives");
  if (!node) return config;
  RETURN_IF_ERROR(node->CheckKeys({"kinds", "systems"}));
  if (const auto kinds = node->Find("kinds")) {
    RETURN_IF_ERROR(kinds->CheckKeys({"postgres", "redis", "files"}));
    ASSIGN_OR_RETURN(const auto members, kinds->AsMembers());
    for (const auto& [kind, targets] : members) {
      RETURN_IF_ERROR(targets.CheckKeys({"rpo", "rto"}));
      ASSIGN_OR_RETURN(config.kinds[kind], ReadTargets(targets));
    }
  }
  if (!node->Has("systems")) return config;
  ASSIGN_OR_RETURN(const auto systems, node->List("systems"));
  std::set<std::string> names;
  for (const ConfigNode& system : systems) {
    RETURN_IF_ERROR(system.CheckKeys({"name", "sources", "rpo", "rto"}, {"name", "sources"}));
    ASSIGN_OR_RETURN(schedule::NamedSources named, schedule::ReadNamedSources(system));
    if (!names.insert(named.name).second) {
      return system.Refuse(fmt::format("a second system named '{}'", named.name));
    }
    ASSIGN_OR_RETURN(TargetTexts targets, ReadTargets(system));
    config.systems.push_back({std::move(named.name), std::move(named.sources), targets});
  }
  return config;
}

}  // namespace holdfast::objective
