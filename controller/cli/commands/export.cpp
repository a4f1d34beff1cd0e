// `holdfast export [SOURCE|SNAPSHOT...] --output FILE.tar`: the classic archive, usable without
// Holdfast.
//
// Exit status: 0 complete; 7 the file exists; others in DESIGN 12.

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/export/exporter.h"
#include "controller/cli/open_snapshot.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct ExportOptions {
  std::vector<std::string> snapshots;
  std::string output;
};

// The newest snapshot of every source that has one.
absl::StatusOr<std::vector<SnapshotSummary>> Everything(Context& context, OperatorClient& client) {
  ASSIGN_OR_RETURN(const StatusReport status, client.Status());
  std::vector<SnapshotSummary> snapshots;
  for (const SourceStatus& one : status.sources) {
    if (one.newest) {
      snapshots.push_back(*one.newest);
    } else if (!context.json) {
      context.err << fmt::format("warning: source '{}' has no snapshot, it is left out\n",
                                 Escaped(one.source.name));
    }
  }
  if (!snapshots.empty()) return snapshots;
  return Error(ErrorKind::kNotFound, 1122, "unable to export: there is no snapshot yet",
               "Run 'holdfast backup' first.");
}

absl::StatusOr<std::vector<SnapshotSummary>> Chosen(Context& context, OperatorClient& client,
                                                    const std::vector<std::string>& references) {
  if (references.empty()) return Everything(context, client);
  std::vector<SnapshotSummary> snapshots;
  for (const std::string& reference : references) {
    ASSIGN_OR_RETURN(SnapshotSummary one, ResolveSnapshot(client, reference, context.zone));
    snapshots.push_back(std::move(one));
  }
  return snapshots;
}

absl::Status PrintResult(Context& context, const ExportOptions& options,
                         const ExportResult& result) {
  if (context.json) {
    Json members = Json::array();
    for (const ExportMember& member : result.members) {
      members.push_back({{"path", Escaped(member.path)},
                         {"snapshot", Escaped(member.snapshot)},
                         {"bytes", member.bytes}});
    }
    return WriteOut(context, JsonLine({{"output", Escaped(options.output)},
                                       {"bytes", result.bytes},
                                       {"members", std::move(members)},
                                       {"warnings", result.warnings}}));
  }
  Table table({{"MEMBER"}, {"SNAPSHOT"}, {"SIZE", Align::kRight}});
  for (const ExportMember& member : result.members) {
    table.Add({Escaped(member.path), Escaped(member.snapshot), SizeText(member.bytes)});
  }
  RETURN_IF_ERROR(WriteOut(context, table.Render()));
  for (const std::string& warning : result.warnings) {
    context.err << fmt::format("warning: {}\n", warning);
  }
  context.err << fmt::format("{}  {}   It is not encrypted: keep it safe.\n",
                             Escaped(options.output), SizeText(result.bytes));
  return absl::OkStatus();
}

absl::Status Export(Context& context, const ExportOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const std::vector<SnapshotSummary> chosen,
                   Chosen(context, *client, options.snapshots));
  std::vector<ExportedSnapshot> snapshots;
  for (const SnapshotSummary& one : chosen) {
    ASSIGN_OR_RETURN(const OpenedSnapshot opened, OpenForReading(context, *client, one));
    snapshots.push_back({opened.view, one.source_name, one.agent_name, opened.view->info().kind,
                         SnapshotName(one), one.snapshot_id.hex(), one.taken_at_ms});
    RETURN_IF_ERROR(CheckName("source", one.source_name));  // it becomes the name of a member
    RETURN_IF_ERROR(CheckName("agent", one.agent_name));
  }
  ASSIGN_OR_RETURN(
      const ExportResult result,
      WriteExport(context.env, options.output, snapshots, [&](const std::string& member) {
        if (!context.json) {
          context.err << "writing " << Escaped(member) << "\n";
        }
      }));
  return PrintResult(context, options, result);
}

}  // namespace

void AddExport(Command& program, Context& context) {
  auto options = std::make_shared<ExportOptions>();
  Command command =
      program.Verb("export", "Write one tar with everything, usable without Holdfast");
  command.Add("snapshots", options->snapshots,
              "SOURCE, SOURCE@57, or ids; none: the newest of every source");
  command.Add("--output", options->output, "The archive to write").Called("FILE").Required();
  command.Footer(Examples("holdfast export --output all.tar",
                          "holdfast export db@57 uploads@latest --output january.tar"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Export(context, *options)); });
}

}  // namespace holdfast::cli
