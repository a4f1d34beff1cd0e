// `holdfast objective list|set`: how old the newest restorable point may be, how long a restore may
// take, and whether that holds.
//
// Exit status: 0; 9 when an objective is broken; 2 a value that cannot be read; 6 no such source or
// system; others in DESIGN 12.

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

constexpr int kExitObjectiveBroken = 9;

struct SetObjectiveOptions {
  std::string source;
  ObjectiveChange change;
};

Json ReportJson(const ObjectiveReport& report, bool broken) {
  Json sources = Json::array();
  for (const SourceObjective& one : report.sources) {
    Json row = {{"source", one.source.name},
                {"source_id", one.source.id.hex()},
                {"kind", one.source.kind},
                {"agent", one.agent_name},
                {"seq", one.seq},
                {"restored_at", JsonTime(one.restored_at_ms)}};
    row.update(StandingJson(one.standing));
    sources.push_back(std::move(row));
  }
  Json systems = Json::array();
  for (const SystemObjective& one : report.systems) {
    Json row = {{"system", one.name}, {"sources", one.sources}, {"unknown", one.unknown}};
    row.update(StandingJson(one.standing));
    systems.push_back(std::move(row));
  }
  return {{"broken", broken}, {"sources", std::move(sources)}, {"systems", std::move(systems)}};
}

void AddRow(Context& context, const std::string& name, const std::string& kind,
            const ObjectiveStanding& standing, Table* table) {
  table->Add({Escaped(name, 60), Escaped(kind, 20), TimeText(standing.point_ms, context.zone),
              AgeText(absl::Seconds(static_cast<std::int64_t>(standing.age_seconds))),
              RpoText(standing), OriginText(standing.rpo, context.zone), RtoText(standing),
              OriginText(standing.rto, context.zone)});
}

absl::Status PrintObjectives(Context& context, const ObjectiveReport& report, bool broken) {
  if (context.json) return WriteOut(context, JsonLine(ReportJson(report, broken)));
  Table table({{"NAME"},
               {"KIND"},
               {"NEWEST RESTORABLE"},
               {"AGE", Align::kRight},
               {"RPO"},
               {"FROM"},
               {"RESTORE TAKES"},
               {"FROM"}});
  for (const SystemObjective& one : report.systems) {
    AddRow(context, one.name, "system", one.standing, &table);
  }
  for (const SourceObjective& one : report.sources) {
    AddRow(context, one.source.name, one.source.kind, one.standing, &table);
  }
  RETURN_IF_ERROR(WriteOut(context, table.Render()));
  for (const SystemObjective& one : report.systems) {
    for (const std::string& name : one.unknown) {
      context.err << fmt::format("warning: system '{}' names '{}', which no agent has\n",
                                 Escaped(one.name), Escaped(name));
    }
  }
  return absl::OkStatus();
}

int ListObjectives(Context& context) {
  const auto report = Connect(context)->ListObjectives();
  if (!report.ok()) return Report(context, report.status());
  const auto is_broken = [](const auto& one) { return one.standing.broken; };
  const bool broken = std::any_of(report->sources.begin(), report->sources.end(), is_broken) ||
                      std::any_of(report->systems.begin(), report->systems.end(), is_broken);
  const int code = Report(context, PrintObjectives(context, *report, broken));
  return code == 0 && broken ? kExitObjectiveBroken : code;
}

absl::Status SetTargets(Context& context, const SetObjectiveOptions& options) {
  ObjectiveChange change = options.change;
  const bool says_something = !change.rpo.empty() || !change.rto.empty();
  if (says_something == change.use_default || change.system.empty() == options.source.empty()) {
    return Error(ErrorKind::kUsage, 1192,
                 "unable to set the objective: name a source or a --system, and either new values "
                 "or --default",
                 "holdfast objective set db --rpo 4h --rto 1h");
  }
  change.by = OperatorName(context);
  const auto client = Connect(context);
  if (change.system.empty()) {
    ASSIGN_OR_RETURN(const std::vector<ResolvedSource> known, ListSources(*client));
    ASSIGN_OR_RETURN(const ResolvedSource source, ResolveSource(known, options.source));
    change.source = source.source.id;
  }
  RETURN_IF_ERROR(client->SetObjective(change));
  ASSIGN_OR_RETURN(ObjectiveReport report, client->ListObjectives());
  std::erase_if(report.sources, [&](const SourceObjective& one) {
    return !change.system.empty() || one.source.id != change.source;
  });
  std::erase_if(report.systems,
                [&](const SystemObjective& one) { return one.name != change.system; });
  const bool broken = (!report.sources.empty() && report.sources.front().standing.broken) ||
                      (!report.systems.empty() && report.systems.front().standing.broken);
  return PrintObjectives(context, report, broken);
}

}  // namespace

void AddObjective(Command& program, Context& context) {
  Command group =
      program.Verb("objective", "How much may be lost, and how long a restore may take");
  group.RequireVerb();
  group.Footer(Examples("holdfast objective list", "holdfast objective set db --rpo 4h"));
  Command listing = group.Verb("list", "Objectives, and whether they are met (exit 9: not all)");
  listing.Footer(Examples("holdfast objective list", "holdfast objective list --json"));
  listing.Action([&context] { context.exit_code = ListObjectives(context); });
  auto set = std::make_shared<SetObjectiveOptions>();
  Command setting = group.Verb("set", "Change the objective of a source, or of a system");
  setting.Add("source", set->source, "Name of the source");
  setting.Add("--system", set->change.system, "A system of controller.yaml instead of a source");
  setting.Add("--rpo", set->change.rpo, "How old the newest restorable point may be");
  setting.Add("--rto", set->change.rto, "How long a restore may take");
  setting.Flag("--default", set->change.use_default, "Forget what was set by command");
  setting.Footer(Examples("holdfast objective set db --rpo 4h --rto 1h",
                          "holdfast objective set --system shop --rpo 24h --json"));
  setting.Action(
      [&context, set] { context.exit_code = Report(context, SetTargets(context, *set)); });
}

}  // namespace holdfast::cli
