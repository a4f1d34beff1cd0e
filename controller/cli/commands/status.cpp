// `holdfast status`: one screen that says whether everything is backed up.
//
// Exit status: 0 whatever it shows; others in DESIGN 12. It shows what the controller knows, no
// more.

#include "common/base/error.h"
#include "common/report/documents.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

absl::Duration AgeOf(Context& context, std::uint64_t unix_ms) {
  return context.env.clock.Now() - absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

std::string ToText(Context& context, const StatusReport& status,
                   const std::vector<Warning>& warnings) {
  const Installation& installation = status.installation;
  std::string text = fmt::format(
      "controller {}   up {}   store {}, {} free\n",
      Escaped(installation.agent_address.empty() ? "(no address)" : installation.agent_address, 80),
      installation.started_at_ms == 0 ? "?" : AgeText(AgeOf(context, installation.started_at_ms)),
      SizeText(status.store_bytes), SizeText(status.store_free_bytes));
  if (status.sources.empty()) {
    text += "No source is configured on any agent yet.\n";
  } else {
    Table table({{"SOURCE"},
                 {"KIND"},
                 {"AGENT"},
                 {"NEWEST"},
                 {"AGE", Align::kRight},
                 {"SIZE", Align::kRight},
                 {"+LAST RUN", Align::kRight},
                 {"SNAPSHOTS", Align::kRight},
                 {"PROOF"}});
    for (const SourceStatus& one : status.sources) {
      const auto& newest = one.newest;
      table.Add(
          {Escaped(one.source.name, 60), Escaped(one.source.kind, 20),
           Escaped(one.agent_name, 60) + (one.connected ? "" : " (away)"),
           TimeText(newest ? newest->taken_at_ms : 0, context.zone),
           newest ? AgeText(AgeOf(context, newest->taken_at_ms)) : "-",
           newest ? SizeText(newest->content_bytes) : "-",
           newest ? SizeText(newest->stored_bytes) : "-", CountText(one.snapshot_count),
           newest && newest->verified_at_ms != 0
               ? fmt::format("verified {} ago", AgeText(AgeOf(context, newest->verified_at_ms)))
               : "not verified"});
    }
    text += table.Render();
  }
  for (const Warning& warning : warnings) {
    text += fmt::format("warning: {}\n", warning.text);
    if (!warning.hint.empty()) text += fmt::format("  hint: {}\n", warning.hint);
  }
  if (warnings.empty()) text += "warnings: none\n";
  return text;
}

absl::Status Status(Context& context) {
  ASSIGN_OR_RETURN(const StatusReport status, Connect(context)->Status());
  const std::vector<Warning> warnings = WarningsOf(status, context.env.clock.Now());
  return WriteOut(context, context.json ? JsonLine(StatusJson(status, warnings))
                                        : ToText(context, status, warnings));
}

}  // namespace

void AddStatus(Command& program, Context& context) {
  Command command = program.Verb("status", "Is everything backed up?");
  command.Footer(Examples("holdfast status", "holdfast status --json"));
  command.Action([&context] { context.exit_code = Report(context, Status(context)); });
}

}  // namespace holdfast::cli
