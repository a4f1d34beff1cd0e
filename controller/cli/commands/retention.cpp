// `holdfast retention show|set|explain|confirm SOURCE`: how long snapshots are kept, and why.
//
// Exit status: 0; 2 a policy that keeps nothing; 6 no such source; 7 another number than confirmed;
// others in DESIGN 12.

#include "common/base/error.h"
#include "common/config/values.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct SourceOptions {
  std::string source;
};
struct SetOptions {
  std::string source;
  std::string within;
  RetentionPolicy policy;
  bool use_default = false;
};
struct ConfirmOptions {
  std::string source;
  std::uint64_t removals = 0;
};

absl::StatusOr<ResolvedSource> Find(OperatorClient& client, const std::string& name) {
  ASSIGN_OR_RETURN(const std::vector<ResolvedSource> sources, ListSourcesEver(client));
  return ResolveSource(sources, name);
}

std::string WithinText(std::uint64_t seconds) {
  if (seconds % 86'400 == 0) return fmt::format("{}d", seconds / 86'400);
  if (seconds % 3'600 == 0) return fmt::format("{}h", seconds / 3'600);
  return fmt::format("{}s", seconds);
}

std::string PolicyText(const RetentionPolicy& policy) {
  std::string text;
  const auto add = [&](std::string_view option, const std::string& value) {
    text += fmt::format("{}--keep-{} {}", text.empty() ? "" : " ", option, value);
  };
  if (policy.within_seconds > 0) add("within", WithinText(policy.within_seconds));
  if (policy.last > 0) add("last", std::to_string(policy.last));
  if (policy.hourly > 0) add("hourly", std::to_string(policy.hourly));
  if (policy.daily > 0) add("daily", std::to_string(policy.daily));
  if (policy.weekly > 0) add("weekly", std::to_string(policy.weekly));
  if (policy.monthly > 0) add("monthly", std::to_string(policy.monthly));
  if (policy.yearly > 0) add("yearly", std::to_string(policy.yearly));
  add("verified", std::to_string(policy.verified));
  return text;
}

Json PolicyJson(const RetentionPolicy& policy) {
  return {{"within_seconds", policy.within_seconds},
          {"last", policy.last},
          {"hourly", policy.hourly},
          {"daily", policy.daily},
          {"weekly", policy.weekly},
          {"monthly", policy.monthly},
          {"yearly", policy.yearly},
          {"verified", policy.verified}};
}

absl::Status PrintPolicy(Context& context, const std::string& source, const Retention& retention) {
  if (context.json) {
    return WriteOut(context, JsonLine({{"source", source},
                                       {"policy", PolicyJson(retention.policy)},
                                       {"default", retention.is_default}}));
  }
  return WriteOut(context, fmt::format("{}  {}{}\n", Escaped(source), PolicyText(retention.policy),
                                       retention.is_default ? "  (default)" : ""));
}

absl::Status Show(Context& context, const SourceOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const ResolvedSource source, Find(*client, options.source));
  ASSIGN_OR_RETURN(const Retention retention, client->GetRetention(source.source.id));
  return PrintPolicy(context, source.source.name, retention);
}

absl::Status Set(Context& context, const SetOptions& options) {
  std::optional<RetentionPolicy> policy;
  if (!options.use_default) {
    policy = options.policy;
    if (!options.within.empty()) {
      const auto within = ParseDuration(options.within);
      if (!within) {
        return Error(ErrorKind::kUsage, 1174,
                     fmt::format("unable to read --keep-within '{}'", Escaped(options.within)),
                     "Write for example 12h, 7d or 4w.");
      }
      policy->within_seconds = static_cast<std::uint64_t>(absl::ToInt64Seconds(*within));
    }
  }
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const ResolvedSource source, Find(*client, options.source));
  ASSIGN_OR_RETURN(const Retention retention, client->SetRetention(source.source.id, policy));
  return PrintPolicy(context, source.source.name, retention);
}

absl::Status Explain(Context& context, const SourceOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const ResolvedSource source, Find(*client, options.source));
  ASSIGN_OR_RETURN(const Retention retention, client->GetRetention(source.source.id));
  const std::string& name = source.source.name;
  std::uint64_t removals = 0;
  for (const RetentionVerdict& verdict : retention.verdicts) removals += verdict.keep ? 0 : 1;
  if (context.json) {
    Json list = Json::array();
    for (const RetentionVerdict& verdict : retention.verdicts) {
      list.push_back({{"snapshot", fmt::format("{}@{}", Escaped(name), verdict.seq)},
                      {"seq", verdict.seq},
                      {"committed_at", JsonTime(verdict.committed_at_ms)},
                      {"keep", verdict.keep},
                      {"reason", verdict.reason}});
    }
    return WriteOut(context, JsonLine({{"source", name},
                                       {"policy", PolicyJson(retention.policy)},
                                       {"default", retention.is_default},
                                       {"pause", retention.pause},
                                       {"removals", removals},
                                       {"snapshots", std::move(list)}}));
  }
  Table table({{"SNAPSHOT"}, {"COMMITTED"}, {"VERDICT"}, {"WHY"}});
  for (const RetentionVerdict& verdict : retention.verdicts) {
    table.Add({fmt::format("{}@{}", Escaped(name), verdict.seq),
               TimeText(verdict.committed_at_ms, context.zone), verdict.keep ? "keep" : "trash",
               Escaped(verdict.reason)});
  }
  RETURN_IF_ERROR(WriteOut(context, table.Render()));
  if (!retention.pause.empty()) {
    context.err << fmt::format(
        "Nothing expires by itself: {}.\nWhen that is right: holdfast retention confirm {} "
        "--removals {}\n",
        Escaped(retention.pause), Escaped(name), removals);
  }
  return absl::OkStatus();
}

absl::Status Confirm(Context& context, const ConfirmOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const ResolvedSource source, Find(*client, options.source));
  RETURN_IF_ERROR(client->ConfirmRetention(source.source.id, options.removals));
  if (context.json) {
    return WriteOut(context,
                    JsonLine({{"source", source.source.name}, {"trashed", options.removals}}));
  }
  context.err << fmt::format("{} of '{}' moved to the trash.\n",
                             Plural(options.removals, "snapshot"), Escaped(source.source.name));
  return absl::OkStatus();
}

void AddSet(Command& group, Context& context) {
  auto set = std::make_shared<SetOptions>();
  Command command = group.Verb("set", "Replace a source's policy by these rules");
  command.Add("source", set->source, "Name of the source").Required();
  command.Add("--keep-within", set->within, "All that are younger, for example 7d");
  command.Add("--keep-last", set->policy.last, "The newest so many").Between(0, 1'000'000);
  command.Add("--keep-hourly", set->policy.hourly, "One of each of so many hours")
      .Between(0, 1'000'000);
  command.Add("--keep-daily", set->policy.daily, "One of each of so many days")
      .Between(0, 1'000'000);
  command.Add("--keep-weekly", set->policy.weekly, "One of each of so many weeks")
      .Between(0, 1'000'000);
  command.Add("--keep-monthly", set->policy.monthly, "One of each of so many months")
      .Between(0, 1'000'000);
  command.Add("--keep-yearly", set->policy.yearly, "One of each of so many years")
      .Between(0, 1'000'000);
  command.Add("--keep-verified", set->policy.verified, "The newest verified ones, in any case")
      .Between(0, 1'000'000)
      .ShowDefault();
  command.Flag("--default", set->use_default, "Back to the default: 7 days, files 30 days");
  command.Footer(Examples("holdfast retention set db --keep-daily 14 --keep-monthly 12",
                          "holdfast retention set db --default --json"));
  command.Action([&context, set] { context.exit_code = Report(context, Set(context, *set)); });
}

void AddConfirm(Command& group, Context& context) {
  auto confirm = std::make_shared<ConfirmOptions>();
  Command command = group.Verb("confirm", "Apply a policy that was paused");
  command.Add("source", confirm->source, "Name of the source").Required();
  command.Add("--removals", confirm->removals, "How many snapshots go, as 'explain' says")
      .Required();
  command.Footer(Examples("holdfast retention confirm db --removals 12",
                          "holdfast retention confirm db --removals 12 --json"));
  command.Action(
      [&context, confirm] { context.exit_code = Report(context, Confirm(context, *confirm)); });
}

}  // namespace

void AddRetention(Command& program, Context& context) {
  Command group = program.Verb("retention", "How long snapshots are kept");
  group.RequireVerb();
  group.Footer(
      Examples("holdfast retention explain db", "holdfast retention set db --keep-daily 14"));
  auto show = std::make_shared<SourceOptions>();
  Command showing = group.Verb("show", "The policy of a source");
  showing.Add("source", show->source, "Name of the source").Required();
  showing.Footer(Examples("holdfast retention show db", "holdfast retention show db --json"));
  showing.Action([&context, show] { context.exit_code = Report(context, Show(context, *show)); });
  AddSet(group, context);
  auto explain = std::make_shared<SourceOptions>();
  Command explaining = group.Verb("explain", "What the policy would do now, and why");
  explaining.Add("source", explain->source, "Name of the source").Required();
  explaining.Footer(
      Examples("holdfast retention explain db", "holdfast retention explain db --json"));
  explaining.Action(
      [&context, explain] { context.exit_code = Report(context, Explain(context, *explain)); });
  AddConfirm(group, context);
}

}  // namespace holdfast::cli
