// `holdfast status`: one screen that says whether everything is backed up.
//
// Exit status: 0; 9 when an objective is broken; others in DESIGN 12. It shows what the controller
// knows, no more.

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/json.h"
#include "controller/cli/render/plan_text.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr int kExitBroken = 9;

struct Warning {
  std::string text;
  std::string hint;
};

absl::Duration AgeOf(Context& context, std::uint64_t unix_ms) {
  return context.env.clock.Now() - absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

// Names of the sources and systems whose objective is broken.
std::vector<std::string> BrokenOf(const StatusReport& status) {
  std::vector<std::string> names;
  for (const SystemObjective& one : status.systems) {
    if (one.standing.broken) names.push_back(one.name);
  }
  for (const SourceStatus& one : status.sources) {
    if (one.objective && one.objective->standing.broken) names.push_back(one.source.name);
  }
  return names;
}

void WarnOfPlans(const SourceStatus& one, std::vector<Warning>* warnings) {
  const std::string name = Escaped(one.source.name);
  if (one.objective && one.objective->standing.state == "broken") {
    const ObjectiveStanding& standing = one.objective->standing;
    warnings->push_back(
        {fmt::format("source '{}' breaks its objective: nothing newer than {} can be restored, {} "
                     "is allowed",
                     name, AgeText(absl::Seconds(static_cast<std::int64_t>(standing.age_seconds))),
                     Escaped(standing.rpo.text, 20)),
         "holdfast backup " + name});
  }
  if (one.objective && one.objective->standing.restore_too_slow) {
    warnings->push_back(
        {fmt::format("a restore of source '{}' takes {}", name, RtoText(one.objective->standing)),
         "holdfast objective set " + name + " --rto … says what is bearable."});
  }
  if (!one.schedule) return;
  const SourceSchedule& schedule = *one.schedule;
  if (schedule.paused_at_ms != 0) {
    warnings->push_back({fmt::format("the schedule of source '{}' is paused by {}", name,
                                     Escaped(schedule.paused_by, 64)),
                         "holdfast schedule resume " + name});
  }
  if (schedule.waiting) {
    warnings->push_back({fmt::format("source '{}' is due, but its agent is away", name), ""});
  }
  if (schedule.skipped_in_row >= 2) {
    warnings->push_back(
        {fmt::format("{} scheduled runs of source '{}' were skipped in a row: one is still active",
                     schedule.skipped_in_row, name),
         "holdfast schedule list " + name});
  }
  if (!schedule.problem.empty()) {
    warnings->push_back({fmt::format("source '{}' is not backed up by itself: {}", name,
                                     Escaped(schedule.problem, 200)),
                         "holdfast schedule set " + name + " --default"});
  }
}

std::vector<Warning> WarningsOf(Context& context, const StatusReport& status) {
  std::vector<Warning> warnings;
  if (!status.installation.initialized) {
    warnings.push_back({"this controller has no owner yet", "holdfast init"});
  }
  for (const SourceStatus& one : status.sources) {
    const std::string name = Escaped(one.source.name);
    if (!one.last_error.empty()) {
      std::string text =
          fmt::format("source '{}' failed {} ago: {}", name,
                      AgeText(AgeOf(context, one.last_error_at_ms)), Escaped(one.last_error, 400));
      if (one.failures_in_row > 1) {
        text += fmt::format(" ({} times in a row)", one.failures_in_row);
      }
      if (one.last_error_code != 0) text += fmt::format(" (HF-{:04})", one.last_error_code);
      warnings.push_back({std::move(text), "holdfast backup " + name});
    }
    if (!one.newest) {
      warnings.push_back(
          {fmt::format("source '{}' has never been backed up", name), "holdfast backup " + name});
    } else if (one.newest->partial) {
      warnings.push_back(
          {fmt::format("the newest snapshot of source '{}' is incomplete", name), ""});
    }
    WarnOfPlans(one, &warnings);
  }
  for (const AgentInfo& agent : status.agents) {
    if (agent.removed || agent.connected) continue;
    const std::string seen =
        agent.last_seen_ms == 0
            ? "it was never seen"
            : fmt::format("last seen {} ago", AgeText(AgeOf(context, agent.last_seen_ms)));
    warnings.push_back({fmt::format("agent '{}' is not connected ({})", Escaped(agent.name), seen),
                        "Look at holdfast-agent on its host."});
  }
  for (const Damage& one : status.damage) {
    warnings.push_back(
        {fmt::format("{} chunks are lost or damaged that {} snapshots of source '{}' need (the "
                     "newest: {})",
                     one.chunks, one.seqs.size(), Escaped(one.source_name),
                     one.seqs.empty() ? 0 : one.seqs.back()),
         "holdfast backup " + Escaped(one.source_name) +
             " stores again what the source still has; 'holdfast scrub' names all."});
  }
  for (const std::string& text : status.warnings) warnings.push_back({Escaped(text, 500), ""});
  return warnings;
}

Json ToJson(const StatusReport& status, const std::vector<Warning>& warnings,
            const std::vector<std::string>& broken) {
  Json sources = Json::array();
  for (const SourceStatus& one : status.sources) {
    sources.push_back(
        {{"name", one.source.name},
         {"kind", one.source.kind},
         {"id", one.source.id.hex()},
         {"agent", one.agent_name},
         {"connected", one.connected},
         {"snapshots", one.snapshot_count},
         {"newest", one.newest ? SnapshotJson(*one.newest) : Json()},
         {"last_error", one.last_error},
         {"last_error_at", JsonTime(one.last_error_at_ms)},
         {"failures_in_row", one.failures_in_row},
         {"newest_verified_at", JsonTime(one.newest_verified_ms)},
         {"schedule", one.schedule ? ScheduleJson(*one.schedule) : Json()},
         {"objective", one.objective ? StandingJson(one.objective->standing) : Json()}});
  }
  Json systems = Json::array();
  for (const SystemObjective& one : status.systems) {
    systems.push_back(
        {{"name", one.name}, {"sources", one.sources}, {"objective", StandingJson(one.standing)}});
  }
  Json agents = Json::array();
  for (const AgentInfo& agent : status.agents) agents.push_back(AgentJson(agent));
  Json texts = Json::array();
  for (const Warning& warning : warnings) {
    texts.push_back({{"text", warning.text}, {"hint", warning.hint}});
  }
  const Installation& installation = status.installation;
  return {{"controller",
           {{"id", ToHex(installation.controller_id)},
            {"version", installation.software_version},
            {"initialized", installation.initialized},
            {"started_at", JsonTime(installation.started_at_ms)},
            {"agent_address", installation.agent_address},
            {"enrollment_address", installation.enrollment_address}}},
          {"objectives_broken", broken},
          {"sources", std::move(sources)},
          {"systems", std::move(systems)},
          {"agents", std::move(agents)},
          {"store",
           {{"bytes", status.store_bytes},
            {"free_bytes", status.store_free_bytes},
            {"packs", status.pack_count},
            {"chunks", status.chunk_count},
            {"scrubbed_at", JsonTime(status.scrubbed_at_ms)}}},
          {"alerts",
           {{"open", status.open_alerts},
            {"acknowledged", status.acknowledged_alerts},
            {"gravest", status.gravest_alert},
            {"undelivered", status.undelivered_alerts},
            {"channels", status.alert_channels}}},
          {"warnings", std::move(texts)}};
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
  const std::vector<Warning> warnings = WarningsOf(context, *status);
  const std::vector<std::string> broken = BrokenOf(*status);
  const int code =
      Report(context, WriteOut(context, context.json ? JsonLine(ToJson(*status, warnings, broken))
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
