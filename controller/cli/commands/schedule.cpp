// `holdfast schedule list|next|set|pause|resume`: when sources are backed up by themselves.
//
// Exit status: 0; 2 a schedule that cannot be read; 6 no such source or group; others in DESIGN 12.

#include <algorithm>

#include "common/base/error.h"
#include "common/report/plans.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/plan_text.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::uint32_t kRunsShown = 3;

struct ListedSources {
  std::vector<std::string> names;
  int count = static_cast<int>(kRunsShown);
  bool all = false;
};
struct SetScheduleOptions {
  std::string source;
  ScheduleChange change;
};

absl::StatusOr<std::vector<SourceId>> IdsOf(OperatorClient& client,
                                            const std::vector<std::string>& names) {
  std::vector<SourceId> ids;
  if (names.empty()) return ids;
  ASSIGN_OR_RETURN(const std::vector<ResolvedSource> known, ListSources(client));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const ResolvedSource source, ResolveSource(known, name));
    ids.push_back(source.source.id);
  }
  return ids;
}

std::string CountsText(const SourceSchedule& one) {
  std::string text;
  if (one.missed > 0) text = fmt::format("{} missed", one.missed);
  if (one.skipped > 0) {
    text += fmt::format("{}{} skipped", text.empty() ? "" : ", ", one.skipped);
  }
  return text.empty() ? "-" : text;
}

absl::Status PrintSchedules(Context& context, const std::vector<SourceSchedule>& schedules) {
  if (context.json) {
    Json list = Json::array();
    for (const SourceSchedule& one : schedules) list.push_back(ScheduleJson(one));
    return WriteOut(context, JsonLine({{"schedules", std::move(list)}}));
  }
  Table table(
      {{"SOURCE"}, {"AGENT"}, {"SCHEDULE"}, {"ZONE"}, {"FROM"}, {"NEXT RUN"}, {"TROUBLE SO FAR"}});
  for (const SourceSchedule& one : schedules) {
    table.Add({Escaped(one.source.name, 60), Escaped(one.agent_name, 60),
               Escaped(one.cron.text, 60), Escaped(one.zone.text, 60),
               OriginText(one.cron, context.zone),
               NextRunText(one, context.env.clock.Now(), context.zone), CountsText(one)});
  }
  return WriteOut(context, table.Render());
}

absl::Status ListThem(Context& context, const ListedSources& options) {
  const auto client = Connect(context);
  OperatorClient::ScheduleQuery query;
  ASSIGN_OR_RETURN(query.sources, IdsOf(*client, options.names));
  query.runs_ahead = kRunsShown;
  ASSIGN_OR_RETURN(const auto schedules, client->ListSchedules(query));
  return PrintSchedules(context, schedules);
}

// Of all sources together, in the order in which they come.
absl::Status PrintRuns(Context& context, const std::vector<SourceSchedule>& schedules) {
  std::vector<std::pair<std::uint64_t, const SourceSchedule*>> runs;
  for (const SourceSchedule& one : schedules) {
    for (const std::uint64_t at_ms : one.next_ms) runs.emplace_back(at_ms, &one);
  }
  std::stable_sort(runs.begin(), runs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (context.json) {
    Json list = Json::array();
    for (const auto& [at_ms, one] : runs) {
      list.push_back({{"at", JsonTime(at_ms)},
                      {"source", one->source.name},
                      {"agent", one->agent_name},
                      {"retry", at_ms == one->retry_ms ? one->retries : 0}});
    }
    return WriteOut(context, JsonLine({{"runs", std::move(list)}}));
  }
  Table table({{"BEGINS"}, {"IN THE SCHEDULE'S ZONE"}, {"SOURCE"}, {"AGENT"}, {"WHY"}});
  for (const auto& [at_ms, one] : runs) {
    absl::TimeZone zone = absl::UTCTimeZone();
    absl::LoadTimeZone(one->zone.text, &zone);
    table.Add({TimeText(at_ms, context.zone), TimeText(at_ms, zone), Escaped(one->source.name, 60),
               Escaped(one->agent_name, 60),
               at_ms == one->retry_ms ? RetryText(*one) : "schedule"});
  }
  return WriteOut(context, table.Render());
}

absl::Status Next(Context& context, const ListedSources& options) {
  const auto client = Connect(context);
  OperatorClient::ScheduleQuery query;
  ASSIGN_OR_RETURN(query.sources, IdsOf(*client, options.names));
  query.runs_ahead = static_cast<std::uint32_t>(options.count);
  ASSIGN_OR_RETURN(const auto schedules, client->ListSchedules(query));
  return PrintRuns(context, schedules);
}

absl::Status SetIt(Context& context, const SetScheduleOptions& options) {
  ScheduleChange change = options.change;
  const bool says_something =
      !change.cron.empty() || !change.zone.empty() || !change.jitter.empty();
  if (says_something == change.use_default || change.group.empty() == options.source.empty()) {
    return Error(ErrorKind::kUsage, 1190,
                 "unable to set the schedule: name a source or a --group, and either new values or "
                 "--default",
                 "holdfast schedule set db --cron '0 */4 * * *' --zone Europe/Berlin");
  }
  change.by = OperatorName(context);
  const auto client = Connect(context);
  OperatorClient::ScheduleQuery query;
  if (change.group.empty()) {
    ASSIGN_OR_RETURN(query.sources, IdsOf(*client, {options.source}));
    change.source = query.sources.front();
  }
  RETURN_IF_ERROR(client->SetSchedule(change));
  query.runs_ahead = kRunsShown;
  ASSIGN_OR_RETURN(auto schedules, client->ListSchedules(query));
  if (!change.group.empty()) {
    std::erase_if(schedules, [&](const SourceSchedule& one) { return one.group != change.group; });
  }
  return context.json ? PrintSchedules(context, schedules) : PrintRuns(context, schedules);
}

absl::Status PauseOrResume(Context& context, const ListedSources& options,
                           OperatorClient::PauseVerb verb) {
  if (options.all != options.names.empty()) {
    return Error(ErrorKind::kUsage, 1191,
                 "unable to change schedules: name sources, or --all, and not both",
                 "See 'holdfast schedule list'.");
  }
  const auto client = Connect(context);
  OperatorClient::ScheduleQuery query;
  ASSIGN_OR_RETURN(query.sources, IdsOf(*client, options.names));
  if (options.all) {
    ASSIGN_OR_RETURN(const auto everything, client->ListSchedules(query));
    for (const SourceSchedule& one : everything) query.sources.push_back(one.source.id);
  }
  RETURN_IF_ERROR(client->PauseSchedules(query.sources, verb, OperatorName(context)));
  ASSIGN_OR_RETURN(const auto schedules, client->ListSchedules(query));
  return PrintSchedules(context, schedules);
}

void AddScheduleSet(Command& group, Context& context) {
  auto set = std::make_shared<SetScheduleOptions>();
  Command command = group.Verb("set", "Change when a source, or a group, is backed up");
  command.Add("source", set->source, "Name of the source");
  command.Add("--group", set->change.group, "A group of controller.yaml instead of a source");
  command.Add("--cron", set->change.cron, "Minute, hour, day, month, day of week; or @daily");
  command.Add("--zone", set->change.zone, "Time zone, for example Europe/Berlin");
  command.Add("--jitter", set->change.jitter, "Begin up to so much later, for example 5m");
  command.Flag("--default", set->change.use_default, "Forget what was set by command");
  command.Footer(Examples("holdfast schedule set db --cron '0 */4 * * *' --zone Europe/Berlin",
                          "holdfast schedule set db --default --json"));
  command.Action([&context, set] { context.exit_code = Report(context, SetIt(context, *set)); });
}

void AddPause(Command& group, Context& context, OperatorClient::PauseVerb verb) {
  const bool pause = verb == OperatorClient::PauseVerb::kPause;
  const std::string name = pause ? "pause" : "resume";
  auto options = std::make_shared<ListedSources>();
  Command command =
      group.Verb(name, pause ? "No scheduled runs until 'resume'" : "Scheduled runs again");
  command.Add("sources", options->names, "Names of sources");
  command.Flag("--all", options->all, "Every source");
  command.Footer(
      Examples("holdfast schedule " + name + " db", "holdfast schedule " + name + " --all --json"));
  command.Action([&context, options, verb] {
    context.exit_code = Report(context, PauseOrResume(context, *options, verb));
  });
}

}  // namespace

void AddSchedule(Command& program, Context& context) {
  Command group = program.Verb("schedule", "When sources are backed up by themselves");
  group.RequireVerb();
  group.Footer(Examples("holdfast schedule list", "holdfast schedule next db --count 5"));
  auto list = std::make_shared<ListedSources>();
  Command listing = group.Verb("list", "Schedules, where they come from, and what went wrong");
  listing.Add("sources", list->names, "Only these sources");
  listing.Footer(Examples("holdfast schedule list", "holdfast schedule list db --json"));
  listing.Action(
      [&context, list] { context.exit_code = Report(context, ListThem(context, *list)); });
  auto next = std::make_shared<ListedSources>();
  Command coming = group.Verb("next", "The coming runs");
  coming.Add("sources", next->names, "Only these sources");
  coming.Add("--count", next->count, "So many of each source").Between(1, 1000).ShowDefault();
  coming.Footer(Examples("holdfast schedule next", "holdfast schedule next db --count 5"));
  coming.Action([&context, next] { context.exit_code = Report(context, Next(context, *next)); });
  AddScheduleSet(group, context);
  AddPause(group, context, OperatorClient::PauseVerb::kPause);
  AddPause(group, context, OperatorClient::PauseVerb::kResume);
}

}  // namespace holdfast::cli
