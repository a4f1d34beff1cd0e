// `holdfast status`: one screen that says whether everything is backed up.
//
// Exit status: 0; 9 when an objective is broken; others in DESIGN 12. It shows what the controller
// knows, no more.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/documents.h"
#include "common/report/json.h"
#include "common/report/plans.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/plan_text.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr int kExitBroken = 9;

absl::Duration AgeOf(Context& context, std::uint64_t unix_ms) {
  return context.env.clock.Now() - absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

std::string ProofText(Context& context, const SourceStatus& one) {
  if (one.newest_verified_ms == 0) return "not verified";
  return fmt::format("verified {} ago", AgeText(AgeOf(context, one.newest_verified_ms)));
}

std::string SourcesText(Context& context, const StatusReport& status) {
  Table table({{"SOURCE"},
               {"KIND"},
               {"AGENT"},
               {"NEWEST RESTORABLE"},
               {"AGE", Align::kRight},
               {"RPO"},
               {"SIZE", Align::kRight},
               {"+LAST RUN", Align::kRight},
               {"NEXT RUN"},
               {"PROOF"}});
  for (const SourceStatus& one : status.sources) {
    const auto& newest = one.newest;
    std::uint64_t point_ms = newest ? newest->taken_at_ms : 0;
    if (one.objective) point_ms = one.objective->standing.point_ms;
    table.Add(
        {Escaped(one.source.name, 60), Escaped(one.source.kind, 20),
         Escaped(one.agent_name, 60) + (one.connected ? "" : " (away)"),
         TimeText(point_ms, context.zone), point_ms != 0 ? AgeText(AgeOf(context, point_ms)) : "-",
         one.objective ? RpoText(one.objective->standing) : "-",
         newest ? SizeText(newest->content_bytes) : "-",
         newest ? SizeText(newest->stored_bytes) : "-",
         one.schedule ? NextRunText(*one.schedule, context.env.clock.Now(), context.zone) : "-",
         ProofText(context, one)});
  }
  return table.Render();
}

std::string SystemsText(const StatusReport& status) {
  std::string text;
  for (const SystemObjective& one : status.systems) {
    const ObjectiveStanding& standing = one.standing;
    text += fmt::format("system {}   age {}, RPO {}   restore takes {}\n", Escaped(one.name, 60),
                        AgeText(absl::Seconds(static_cast<std::int64_t>(standing.age_seconds))),
                        RpoText(standing), RtoText(standing));
  }
  return text;
}

// "alerts: 2 open, 1 acknowledged; gravest: no successful backup of 'db' since …"
std::string AlertLine(const StatusReport& status) {
  std::string text = "alerts: none open";
  if (status.open_alerts > 0) text = fmt::format("alerts: {} open", CountText(status.open_alerts));
  if (status.acknowledged_alerts > 0) {
    text += fmt::format(", {} acknowledged", CountText(status.acknowledged_alerts));
  }
  if (status.undelivered_alerts > 0) {
    text += fmt::format(", {} not delivered yet", Plural(status.undelivered_alerts, "message"));
  }
  if (!status.gravest_alert.empty()) {
    text += fmt::format("; gravest: {}", Escaped(status.gravest_alert, 300));
  }
  if (status.alert_channels == 0) text += "   (no channel is configured: nobody is told)";
  return text + "\n";
}

std::string ToText(Context& context, const StatusReport& status,
                   const std::vector<Warning>& warnings, const std::vector<std::string>& broken) {
  const Installation& installation = status.installation;
  std::string text;
  if (!broken.empty()) {
    text = "OBJECTIVES BROKEN:";
    for (const std::string& name : broken) text += " " + Escaped(name, 60);
    text += "\n";
  }
  text += fmt::format(
      "controller {}   up {}   store {}, {} free\n",
      Escaped(installation.agent_address.empty() ? "(no address)" : installation.agent_address, 80),
      installation.started_at_ms == 0 ? "?" : AgeText(AgeOf(context, installation.started_at_ms)),
      SizeText(status.store_bytes), SizeText(status.store_free_bytes));
  if (status.sources.empty()) {
    text += "No source is configured on any agent yet.\n";
  } else {
    text += SourcesText(context, status);
    text += SystemsText(status);
  }
  for (const Warning& warning : warnings) {
    text += fmt::format("warning: {}\n", warning.text);
    if (!warning.hint.empty()) text += fmt::format("  hint: {}\n", warning.hint);
  }
  if (warnings.empty()) text += "warnings: none\n";
  text += AlertLine(status);
  return text;
}

int Status(Context& context) {
  const auto status = Connect(context)->Status();
  if (!status.ok()) return Report(context, status.status());
  const std::vector<Warning> warnings = WarningsOf(*status, context.env.clock.Now());
  const std::vector<std::string> broken = BrokenOf(*status);
  const int code =
      Report(context, WriteOut(context, context.json ? JsonLine(StatusJson(*status, warnings))
                                                     : ToText(context, *status, warnings, broken)));
  return code == 0 && !broken.empty() ? kExitBroken : code;
}

}  // namespace

void AddStatus(Command& program, Context& context) {
  Command command = program.Verb("status", "Is everything backed up?");
  command.Footer(Examples("holdfast status", "holdfast status --json"));
  command.Action([&context] { context.exit_code = Status(context); });
}

}  // namespace holdfast::cli
