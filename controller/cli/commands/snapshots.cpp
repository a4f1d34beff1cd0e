// `holdfast snapshots [SOURCE]`: what could be restored, newest first.
//
// Exit status: 0; 6 no such source; others in DESIGN 12.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/documents.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"

namespace holdfast::cli {
namespace {

struct SnapshotsOptions {
  std::string source;
  std::uint32_t limit = 20;
};

constexpr std::size_t kShownIdDigits = 8;

std::string StateOf(const SnapshotSummary& one) {
  std::string state = one.partial ? "committed in part" : "committed";
  if (one.verified_at_ms != 0) state += " · verified";
  return state;
}

absl::Status List(Context& context, const SnapshotsOptions& options) {
  const auto client = Connect(context);
  OperatorClient::SnapshotQuery query{std::nullopt, options.limit};
  if (!options.source.empty()) {
    ASSIGN_OR_RETURN(const std::vector<ResolvedSource> sources, ListSourcesEver(*client));
    ASSIGN_OR_RETURN(const ResolvedSource source, ResolveSource(sources, options.source));
    query.source = source.source.id;
  }
  ASSIGN_OR_RETURN(std::vector<SnapshotSummary> snapshots, client->ListSnapshots(query));
  SortForReaders(&snapshots);
  if (context.json) return WriteOut(context, JsonLine(SnapshotsJson(snapshots)));
  if (snapshots.empty()) {
    context.err << "There is no snapshot yet. Make one with: holdfast backup\n";
    return absl::OkStatus();
  }
  Table table({{"SNAPSHOT"},
               {"ID"},
               {"KIND"},
               {"AGENT"},
               {"TAKEN"},
               {"ENTRIES", Align::kRight},
               {"SIZE", Align::kRight},
               {"STORED", Align::kRight},
               {"STATE"}});
  for (const SnapshotSummary& one : snapshots) {
    table.Add({SnapshotName(one), one.snapshot_id.hex().substr(0, kShownIdDigits),
               Escaped(one.kind, 20), Escaped(one.agent_name, 60),
               TimeText(one.taken_at_ms, context.zone), CountText(one.entry_count),
               SizeText(one.content_bytes), SizeText(one.stored_bytes), StateOf(one)});
  }
  return WriteOut(context, table.Render());
}

}  // namespace

void AddSnapshots(Command& program, Context& context) {
  auto options = std::make_shared<SnapshotsOptions>();
  Command command = program.Verb("snapshots", "What could be restored, newest first");
  command.Add("source", options->source, "Name of a source; none: all");
  command.Add("--limit", options->limit, "At most so many per source")
      .Between(1, 1000)
      .ShowDefault();
  command.Footer(Examples("holdfast snapshots db --limit 3", "holdfast snapshots --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, List(context, *options)); });
}

}  // namespace holdfast::cli
