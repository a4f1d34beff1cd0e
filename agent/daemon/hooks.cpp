#include "agent/daemon/hooks.h"

#include "common/base/error.h"
#include "common/env/process.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr absl::Duration kMostHookTime = absl::Hours(24);

absl::StatusOr<Hook> ReadHook(const ConfigNode& hooks, std::string_view key) {
  Hook hook;
  const auto node = hooks.Find(key);
  if (!node) return hook;
  RETURN_IF_ERROR(node->CheckKeys({"run", "time_limit"}, {"run"}));
  ASSIGN_OR_RETURN(hook.argv, node->Texts("run"));
  if (hook.argv.empty() || hook.argv[0].empty() || hook.argv[0][0] != '/') {
    return node->Find("run")->Refuse("this is not a list that begins with an absolute path",
                                     "Write for example [/usr/local/bin/quiesce, shop].");
  }
  ASSIGN_OR_RETURN(hook.time_limit, node->Duration("time_limit", hook.time_limit));
  if (hook.time_limit < absl::Seconds(1) || hook.time_limit > kMostHookTime) {
    return node->Find("time_limit")->Refuse("this is not between a second and a day");
  }
  return hook;
}

}  // namespace

absl::StatusOr<Hooks> ReadHooks(const ConfigNode& source) {
  Hooks hooks;
  const auto node = source.Find("hooks");
  if (!node) return hooks;
  RETURN_IF_ERROR(node->CheckKeys({"before", "after"}));
  ASSIGN_OR_RETURN(hooks.before, ReadHook(*node, "before"));
  ASSIGN_OR_RETURN(hooks.after, ReadHook(*node, "after"));
  return hooks;
}

absl::Status RunHook(const Hook& hook, std::string_view name, const RunFacts& facts,
                     std::stop_token stop) {
  if (hook.argv.empty()) return absl::OkStatus();
  ProcessOptions options;
  options.argv = hook.argv;
  options.deadline = hook.time_limit;
  options.working_directory = "/";
  options.own_group = true;
  options.environment = {{"HOLDFAST_SOURCE", facts.source},
                         {"HOLDFAST_KIND", facts.kind},
                         {"HOLDFAST_RUN", facts.run}};
  if (!facts.outcome.empty()) {
    options.environment.emplace_back("HOLDFAST_OUTCOME", facts.outcome);
    options.environment.emplace_back("HOLDFAST_EXIT_CODE", std::to_string(facts.exit_code));
  }
  if (facts.seq != 0) {
    options.environment.emplace_back("HOLDFAST_SNAPSHOT",
                                     fmt::format("{}@{}", facts.source, facts.seq));
  }
  log::Info("source '{}': running the command {} the backup", facts.source, name);
  const auto ignore_output = [](ByteView) { return absl::OkStatus(); };
  const auto result = RunProcess(options, ignore_output, stop);
  if (result.ok()) return absl::OkStatus();
  if (stop.stop_requested()) return result.status();
  return Error(
      ErrorKind::kSource, 2020,
      fmt::format("the command {} the backup failed: {}", name, MessageOf(result.status())),
      fmt::format("See `hooks` of source '{}' in agent.yaml on its host.", facts.source));
}

}  // namespace holdfast::daemon
