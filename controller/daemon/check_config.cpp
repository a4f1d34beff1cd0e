#include "controller/daemon/check_config.h"

#include <vector>

#include "common/base/error.h"
#include "controller/daemon/controller_config.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace holdfast::daemon {
namespace {

constexpr int kRunsShown = 3;

struct CheckedPlan {
  std::string name;  // "every source", "group 'databases'"
  std::string cron;
  std::string zone;
  std::vector<std::string> next;
};

absl::StatusOr<CheckedPlan> CheckPlan(const std::string& name, const schedule::PlanTexts& own,
                                      const schedule::PlanTexts& all, absl::Time now) {
  CheckedPlan checked;
  checked.name = name;
  checked.cron = own.cron.value_or(all.cron.value_or(schedule::kDefaultCron));
  checked.zone = own.zone.value_or(all.zone.value_or(schedule::kDefaultZone));
  ASSIGN_OR_RETURN(const schedule::Plan plan,
                   schedule::MakePlan(checked.cron, checked.zone, schedule::kDefaultJitter));
  absl::Time at = now;
  for (int i = 0; i < kRunsShown; ++i) {
    at = plan.cron.NextAfter(at, plan.zone);
    checked.next.push_back(absl::FormatTime("%Y-%m-%d %H:%M %Z", at, plan.zone));
  }
  return checked;
}

std::string Line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string ConfigErrorJson(const absl::Status& status) {
  const int code = CodeOf(status);
  return Line({{"error",
                {{"message", MessageOf(status)},
                 {"hint", HintOf(status)},
                 {"code", code == 0 ? std::string() : fmt::format("HF-{:04}", code)},
                 {"exit", ExitCodeOf(status)}}}});
}

absl::Status CheckControllerConfig(Env env, const std::string& path, CheckForm form,
                                   std::ostream& out) {
  ASSIGN_OR_RETURN(const ControllerConfig config, LoadControllerConfig(env.fs, path));
  const absl::Time now = env.clock.Now();
  std::vector<CheckedPlan> plans;
  ASSIGN_OR_RETURN(plans.emplace_back(), CheckPlan("every source", {}, config.schedule.all, now));
  for (const schedule::ScheduleGroup& group : config.schedule.groups) {
    ASSIGN_OR_RETURN(plans.emplace_back(),
                     CheckPlan("group '" + group.name + "'", group.plan, config.schedule.all, now));
  }
  if (form == CheckForm::kJson) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const CheckedPlan& plan : plans) {
      list.push_back(
          {{"name", plan.name}, {"cron", plan.cron}, {"zone", plan.zone}, {"next", plan.next}});
    }
    out << Line(
        {{"file", path}, {"kind", "controller"}, {"ok", true}, {"schedules", std::move(list)}});
    return absl::OkStatus();
  }
  out << fmt::format("{} is in order.\n", path.empty() ? "The configuration" : Escaped(path));
  for (const CheckedPlan& plan : plans) {
    out << fmt::format("{}: '{}' in {}, next: {}\n", plan.name, Escaped(plan.cron), plan.zone,
                       fmt::join(plan.next, ", "));
  }
  return absl::OkStatus();
}

}  // namespace holdfast::daemon
