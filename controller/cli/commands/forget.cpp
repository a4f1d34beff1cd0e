// `holdfast forget SNAPSHOT…` and `holdfast undelete [SNAPSHOT]`: into the trash and back.
//
// Exit status: 0; 4 without --yes, or the newest of its source; 6 no such snapshot; 7 not in the
// trash; others in DESIGN 12.

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct ForgetOptions {
  std::vector<std::string> snapshots;
  bool yes = false;
};
struct UndeleteOptions {
  std::string snapshot;
};

absl::Status Confirmed(const ForgetOptions& options,
                       const std::vector<SnapshotSummary>& snapshots) {
  if (options.yes) return absl::OkStatus();
  std::string names;
  std::uint64_t bytes = 0;
  for (const SnapshotSummary& one : snapshots) {
    names += (names.empty() ? "" : ", ") + SnapshotName(one);
    bytes += one.content_bytes;
  }
  return Error(
      ErrorKind::kRefused, 1170,
      fmt::format("unable to forget {} without --yes: {} of content", names, SizeText(bytes)),
      "They stay in the trash for a while: see 'holdfast undelete'.");
}

absl::Status Forget(Context& context, const ForgetOptions& options) {
  const auto client = Connect(context);
  std::vector<SnapshotSummary> snapshots;
  std::map<SourceId, std::vector<std::uint64_t>> by_source;
  for (const std::string& text : options.snapshots) {
    ASSIGN_OR_RETURN(const SnapshotSummary one, ResolveSnapshot(*client, text, context.zone));
    std::vector<std::uint64_t>& seqs = by_source[one.source_id];
    if (std::find(seqs.begin(), seqs.end(), one.seq) != seqs.end()) continue;
    seqs.push_back(one.seq);
    snapshots.push_back(one);
  }
  RETURN_IF_ERROR(Confirmed(options, snapshots));
  std::uint64_t until = 0;
  for (const auto& [source, seqs] : by_source) {
    ASSIGN_OR_RETURN(until, client->Forget(source, seqs));
  }
  if (context.json) {
    Json names = Json::array();
    for (const SnapshotSummary& one : snapshots) names.push_back(SnapshotName(one));
    return WriteOut(context,
                    JsonLine({{"forgotten", std::move(names)}, {"until", JsonTime(until)}}));
  }
  for (const SnapshotSummary& one : snapshots) {
    context.err << fmt::format("{} is in the trash until {}.\n", SnapshotName(one),
                               TimeText(until, context.zone));
  }
  return absl::OkStatus();
}

absl::Status ListTrash(Context& context, const std::vector<TrashedSnapshot>& trash) {
  if (context.json) {
    Json list = Json::array();
    for (const TrashedSnapshot& one : trash) {
      Json row = SnapshotJson(one.snapshot);
      row["until"] = JsonTime(one.purge_after_ms);
      list.push_back(std::move(row));
    }
    return WriteOut(context, JsonLine({{"trash", std::move(list)}}));
  }
  if (trash.empty()) {
    context.err << "The trash is empty.\n";
    return absl::OkStatus();
  }
  Table table({{"SNAPSHOT"}, {"AGENT"}, {"TAKEN"}, {"SIZE", Align::kRight}, {"UNTIL"}});
  for (const TrashedSnapshot& one : trash) {
    table.Add({SnapshotName(one.snapshot), Escaped(one.snapshot.agent_name, 60),
               TimeText(one.snapshot.taken_at_ms, context.zone),
               SizeText(one.snapshot.content_bytes), TimeText(one.purge_after_ms, context.zone)});
  }
  return WriteOut(context, table.Render());
}

// By number only: "latest" and times are about what can be restored.
absl::StatusOr<TrashedSnapshot> FindInTrash(const std::vector<TrashedSnapshot>& trash,
                                            const std::string& text, absl::TimeZone zone) {
  ASSIGN_OR_RETURN(const SnapshotReference reference, ParseSnapshotReference(text, zone));
  const auto* numbered = std::get_if<NumberedSnapshot>(&reference.which);
  if (numbered == nullptr) {
    return Error(ErrorKind::kUsage, 1171,
                 fmt::format("unable to undelete '{}': a number is needed", Escaped(text)),
                 "Write SOURCE@NUMBER, for example db@57.");
  }
  std::vector<TrashedSnapshot> found;
  for (const TrashedSnapshot& one : trash) {
    if (one.snapshot.source_name == reference.source && one.snapshot.seq == numbered->seq &&
        (reference.agent.empty() || one.snapshot.agent_name == reference.agent)) {
      found.push_back(one);
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return Error(ErrorKind::kNotFound, 1172,
                 fmt::format("unable to find '{}' in the trash", Escaped(text)),
                 "See 'holdfast undelete' without an argument.");
  }
  return Error(ErrorKind::kUsage, 1173,
               fmt::format("unable to choose: '{}' is a snapshot of several agents", Escaped(text)),
               "Write AGENT/SOURCE@NUMBER.");
}

absl::Status Undelete(Context& context, const UndeleteOptions& options) {
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const std::vector<TrashedSnapshot> trash, client->ListTrash());
  if (options.snapshot.empty()) return ListTrash(context, trash);
  ASSIGN_OR_RETURN(const TrashedSnapshot one, FindInTrash(trash, options.snapshot, context.zone));
  RETURN_IF_ERROR(client->Undelete(one.snapshot.source_id, one.snapshot.seq));
  const std::string name = SnapshotName(one.snapshot);
  if (context.json) return WriteOut(context, JsonLine({{"undeleted", name}}));
  context.err << fmt::format(
      "{} is back. The retention policy may remove it again: see 'holdfast "
      "retention explain {}'.\n",
      name, Escaped(one.snapshot.source_name));
  return absl::OkStatus();
}

}  // namespace

void AddForget(Command& program, Context& context) {
  auto options = std::make_shared<ForgetOptions>();
  Command command = program.Verb("forget", "Move snapshots to the trash");
  command.Add("snapshots", options->snapshots, "SOURCE@NUMBER, SOURCE@TIME or an id").Required();
  command.Flag("--yes", options->yes, "Do it");
  command.Footer(Examples("holdfast forget db@41 db@42", "holdfast forget db@41 --yes --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Forget(context, *options)); });
}

void AddUndelete(Command& program, Context& context) {
  auto options = std::make_shared<UndeleteOptions>();
  Command command = program.Verb("undelete", "Take a snapshot out of the trash");
  command.Add("snapshot", options->snapshot, "SOURCE@NUMBER; none: list the trash");
  command.Footer(Examples("holdfast undelete", "holdfast undelete db@41 --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Undelete(context, *options)); });
}

}  // namespace holdfast::cli
