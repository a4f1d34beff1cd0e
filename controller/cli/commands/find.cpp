// `holdfast find SOURCE|SNAPSHOT PATTERN`: in which snapshots a file is.
//
// Exit status: 0; 6 nothing matches; others in DESIGN 12. A bare source means all its snapshots,
// newest first; each version of a file is shown once, at the newest snapshot that has it.

#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/open_snapshot.h"
#include "controller/cli/render/entry_text.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct FindOptions {
  std::string where;
  std::string pattern;
  bool newest = false;
  std::uint32_t limit = 100;
};

absl::Status CheckPattern(const std::string& pattern) {
  if (!pattern.empty() && pattern.size() <= 4096 && pattern.find('\0') == std::string::npos) {
    return absl::OkStatus();
  }
  return Error(ErrorKind::kUsage, 1200,
               fmt::format("unable to search for '{}': it is no pattern", Escaped(pattern)),
               "Write a name or a pattern such as '*.pdf' or 'receipts/2025-*'.");
}

// A pattern without '/' is for the last component, one with '/' for the whole path.
bool Matches(const std::string& pattern, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const bool whole = pattern.find('/') != std::string::npos || slash == std::string::npos;
  const std::string text = whole ? path : path.substr(slash + 1);
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

absl::StatusOr<std::vector<SnapshotSummary>> Searched(Context& context, OperatorClient& client,
                                                      const FindOptions& options) {
  ASSIGN_OR_RETURN(const SnapshotReference reference,
                   ParseSnapshotReference(options.where, context.zone));
  const auto* newest = std::get_if<NewestSnapshot>(&reference.which);
  if (newest != nullptr && !newest->stated) {
    ASSIGN_OR_RETURN(const std::vector<ResolvedSource> sources, ListSourcesEver(client));
    const auto source = ResolveSource(sources, options.where);
    if (source.ok()) {
      ASSIGN_OR_RETURN(std::vector<SnapshotSummary> all,
                       client.ListSnapshots({source->source.id, options.limit}));
      std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.seq > b.seq; });
      return all;
    }
    if (!reference.MayBeId()) return source.status();
  }
  ASSIGN_OR_RETURN(SnapshotSummary one, ResolveSnapshot(client, options.where, context.zone));
  return std::vector<SnapshotSummary>{std::move(one)};
}

class Search {
 public:
  Search(Context& context, const FindOptions& options) : context_(context), options_(options) {}

  absl::Status In(const SnapshotSummary& snapshot, const SnapshotView& view) {
    return view.ForEachEntry([&](const Entry& entry) -> absl::Status {
      if (entry.path.empty() || !Matches(options_.pattern, entry.path)) return absl::OkStatus();
      const std::string version = options_.newest
                                      ? entry.path
                                      : fmt::format("{}\n{}\n{}", entry.path, entry.mtime_ns,
                                                    ToHex(entry.content_hash) + entry.link_target);
      if (!seen_.insert(version).second) return absl::OkStatus();
      return Show(snapshot, entry);
    });
  }

  bool found() const { return !seen_.empty(); }

 private:
  absl::Status Show(const SnapshotSummary& snapshot, const Entry& entry) {
    if (context_.json) {
      Json json = EntryJson(entry);
      json["snapshot"] = SnapshotName(snapshot);
      return WriteOut(context_, JsonLine(json));
    }
    return WriteOut(context_, fmt::format("{}  {}  {}  {}\n", Padded(SnapshotName(snapshot), 12),
                                          EntryTime(entry, context_.zone),
                                          PaddedLeft(EntrySize(entry), 9), EntryName(entry)));
  }

  Context& context_;
  const FindOptions& options_;
  std::set<std::string> seen_;
};

absl::Status Find(Context& context, const FindOptions& options) {
  RETURN_IF_ERROR(CheckPattern(options.pattern));
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const std::vector<SnapshotSummary> snapshots,
                   Searched(context, *client, options));
  Search search(context, options);
  for (const SnapshotSummary& snapshot : snapshots) {
    ASSIGN_OR_RETURN(const OpenedSnapshot opened, OpenForReading(context, *client, snapshot));
    RETURN_IF_ERROR(search.In(snapshot, *opened.view));
  }
  if (search.found()) return absl::OkStatus();
  return Error(ErrorKind::kNotFound, 1201,
               fmt::format("unable to find '{}' in {} of '{}'", Escaped(options.pattern),
                           Plural(snapshots.size(), "snapshot"), Escaped(options.where)),
               "Patterns match whole names: try '*part*'.");
}

}  // namespace

void AddFind(Command& program, Context& context) {
  auto options = std::make_shared<FindOptions>();
  Command command = program.Verb("find", "Find files in a source's snapshots, or in one");
  command.Add("where", options->where, "SOURCE (all its snapshots), SOURCE@57, or an id")
      .Required();
  command.Add("pattern", options->pattern, "Name or pattern; with '/' for the whole path")
      .Required();
  command.Flag("--newest", options->newest, "Of each path only the newest version");
  command.Add("--limit", options->limit, "Search at most so many snapshots")
      .Between(1, 1000)
      .ShowDefault();
  command.Footer(Examples("holdfast find uploads 'receipts/2025-12-*.pdf' --newest",
                          "holdfast find db@57 '*orders*'"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Find(context, *options)); });
}

}  // namespace holdfast::cli
