// `holdfast source list`: what is backed up, where, and when it last was.
//
// Exit status: 0; others in DESIGN 12.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/documents.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"

namespace holdfast::cli {
namespace {

absl::Status List(Context& context) {
  ASSIGN_OR_RETURN(const StatusReport status, Connect(context)->Status());
  if (context.json) return WriteOut(context, JsonLine(SourcesJson(status)));
  if (status.sources.empty()) {
    context.err << "No agent has a source yet: add some to agent.yaml on its host.\n";
    return absl::OkStatus();
  }
  Table table(
      {{"SOURCE"}, {"KIND"}, {"AGENT"}, {"STATE"}, {"SNAPSHOTS", Align::kRight}, {"NEWEST"}});
  for (const SourceStatus& one : status.sources) {
    table.Add({Escaped(one.source.name), Escaped(one.source.kind), Escaped(one.agent_name),
               one.connected ? "connected" : "away", CountText(one.snapshot_count),
               TimeText(one.newest ? one.newest->taken_at_ms : 0, context.zone)});
  }
  return WriteOut(context, table.Render());
}

}  // namespace

void AddSource(Command& program, Context& context) {
  Command group = program.Verb("source", "What is backed up");
  group.RequireVerb();
  group.Footer(Examples("holdfast source list", "holdfast source list --json"));
  Command listing = group.Verb("list", "Sources of all agents");
  listing.Footer(Examples("holdfast source list", "holdfast source list --json"));
  listing.Action([&context] { context.exit_code = Report(context, List(context)); });
}

}  // namespace holdfast::cli
