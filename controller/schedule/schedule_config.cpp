#include "controller/schedule/schedule_config.h"

#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "common/config/values.h"
#include "fmt/format.h"

namespace holdfast::schedule {
namespace {

constexpr absl::Duration kMostJitter = absl::Hours(12);
constexpr std::size_t kLongestName = 64;

// At the place of the value, so that the file's line is named.
absl::Status RefusedAt(const ConfigNode& node, std::string_view key, const absl::Status& status) {
  return node.Find(key)->Refuse(MessageOf(status), HintOf(status));
}

absl::StatusOr<absl::Duration> ReadJitter(const std::string& text) {
  const auto jitter = ParseDuration(text);
  if (jitter && *jitter <= kMostJitter) return *jitter;
  return Error(
      ErrorKind::kUsage, 5092,
      fmt::format("unable to read the jitter '{}': not a duration up to 12 h", Escaped(text, 40)),
      "Write for example 0s, 2m or 1h.");
}

absl::StatusOr<PlanTexts> ReadPlan(const ConfigNode& node) {
  PlanTexts plan;
  if (node.Has("cron")) {
    ASSIGN_OR_RETURN(plan.cron, node.Text("cron"));
    if (const auto read = Cron::Parse(*plan.cron); !read.ok()) {
      return RefusedAt(node, "cron", read.status());
    }
  }
  if (node.Has("zone")) {
    ASSIGN_OR_RETURN(plan.zone, node.Text("zone"));
    if (const auto read = FindZone(*plan.zone); !read.ok()) {
      return RefusedAt(node, "zone", read.status());
    }
  }
  if (node.Has("jitter")) {
    ASSIGN_OR_RETURN(plan.jitter, node.Text("jitter"));
    if (const auto read = ReadJitter(*plan.jitter); !read.ok()) {
      return RefusedAt(node, "jitter", read.status());
    }
  }
  return plan;
}

}  // namespace

absl::StatusOr<NamedSources> ReadNamedSources(const ConfigNode& node) {
  NamedSources named;
  ASSIGN_OR_RETURN(named.name, node.Text("name"));
  if (named.name.empty() || named.name.size() > kLongestName ||
      named.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-_") != std::string::npos) {
    return node.Find("name")->Refuse("this is not a usable name",
                                     "Use 1 to 64 letters, digits, '.', '-' and '_'.");
  }
  ASSIGN_OR_RETURN(named.sources, node.Texts("sources"));
  if (named.sources.empty()) return node.Find("sources")->Refuse("no source is named");
  return named;
}

bool NamesSource(const std::vector<std::string>& names, const std::string& source,
                 const std::string& agent) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == source || name == agent + "/" + source;
  });
}

absl::StatusOr<ScheduleConfig> ReadScheduleConfig(const ConfigNode& root) {
  ScheduleConfig config;
  const auto node = root.Find("schedule");
  if (!node) return config;
  RETURN_IF_ERROR(node->CheckKeys({"cron", "zone", "jitter", "groups"}));
  ASSIGN_OR_RETURN(config.all, ReadPlan(*node));
  if (!node->Has("groups")) return config;
  ASSIGN_OR_RETURN(const auto groups, node->List("groups"));
  std::set<std::string> names;
  for (const ConfigNode& group : groups) {
    RETURN_IF_ERROR(
        group.CheckKeys({"name", "sources", "cron", "zone", "jitter"}, {"name", "sources"}));
    ASSIGN_OR_RETURN(NamedSources named, ReadNamedSources(group));
    if (!names.insert(named.name).second) {
      return group.Refuse(fmt::format("a second group named '{}'", named.name));
    }
    ASSIGN_OR_RETURN(PlanTexts plan, ReadPlan(group));
    config.groups.push_back({std::move(named.name), std::move(named.sources), std::move(plan)});
  }
  return config;
}

absl::StatusOr<Plan> MakePlan(const std::string& cron, const std::string& zone,
                              const std::string& jitter) {
  ASSIGN_OR_RETURN(Cron read, Cron::Parse(cron));
  ASSIGN_OR_RETURN(const absl::TimeZone found, FindZone(zone));
  ASSIGN_OR_RETURN(const absl::Duration most, ReadJitter(jitter));
  return Plan{std::move(read), found, most};
}

}  // namespace holdfast::schedule
