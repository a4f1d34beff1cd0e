// `holdfast ls SNAPSHOT [PATH]`: what is in a snapshot.
//
// Exit status: 0; 6 no such path; others in DESIGN 12. Databases are listed whole, files one
// directory at a time.

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/open_snapshot.h"
#include "controller/cli/render/entry_text.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct LsOptions {
  std::string snapshot;
  std::string path;
  bool recursive = false;
  bool details = false;
};

// Below `parent` (any depth), not `parent` itself.
bool IsBelow(std::string_view path, std::string_view parent) {
  if (path.empty() || path == parent) return false;
  if (parent.empty()) return true;
  return path.size() > parent.size() && path.substr(0, parent.size()) == parent &&
         path[parent.size()] == '/';
}

std::string_view RestOf(std::string_view path, std::string_view parent) {
  return path.substr(parent.empty() ? 0 : parent.size() + 1);
}

std::string LineOf(const Entry& entry, const LsOptions& options, absl::TimeZone zone) {
  const std::string name = EntryName(entry);
  if (options.details) {
    return fmt::format("{}  {}  {}  {}  {}\n", ModeText(entry), Padded(OwnerText(entry), 17),
                       PaddedLeft(SizeText(entry.size_bytes), 9), EntryTime(entry, zone), name);
  }
  const std::string size = EntrySize(entry);
  return size.empty() ? name + "\n" : fmt::format("{}  {}\n", Padded(name, 32), size);
}

absl::Status NotThere(const NamedSnapshot& snapshot, const std::string& path) {
  return Error(ErrorKind::kNotFound, 3004,
               fmt::format("unable to find '{}' in snapshot {}@{}", Escaped(path),
                           Escaped(snapshot.summary.source_name), snapshot.summary.seq),
               "Search with 'holdfast find'.");
}

absl::Status Ls(Context& context, const LsOptions& options) {
  ASSIGN_OR_RETURN(const std::string path, EntryPath(options.path));
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const NamedSnapshot snapshot, OpenReference(context, *client, options.snapshot));
  const bool whole = options.recursive || snapshot.view().info().kind != "files";
  bool found = path.empty();
  bool first = true;
  if (context.json) RETURN_IF_ERROR(WriteOut(context, "{\"entries\":["));
  RETURN_IF_ERROR(snapshot.view().ForEachEntry([&](const Entry& entry) -> absl::Status {
    const bool is_named = entry.path == path && !path.empty();
    if (!is_named && !IsBelow(entry.path, path)) return absl::OkStatus();
    found = true;
    if (is_named && entry.type == EntryType::kDirectory) return absl::OkStatus();
    const bool deep = !is_named && RestOf(entry.path, path).find('/') != std::string_view::npos;
    if (deep && !whole) return absl::OkStatus();
    if (!context.json) return WriteOut(context, LineOf(entry, options, context.zone));
    std::string line = JsonLine(EntryJson(entry));
    line.pop_back();
    const std::string separator = first ? "\n" : ",\n";
    first = false;
    return WriteOut(context, separator + line);
  }));
  if (context.json) RETURN_IF_ERROR(WriteOut(context, "\n]}\n"));
  return found ? absl::OkStatus() : NotThere(snapshot, path);
}

}  // namespace

void AddLs(Command& program, Context& context) {
  auto options = std::make_shared<LsOptions>();
  Command command = program.Verb("ls", "List what is in a snapshot");
  command.Add("snapshot", options->snapshot, "SOURCE, SOURCE@57, or an id").Required();
  command.Add("path", options->path, "Directory inside it");
  command.Flag("-r,--recursive", options->recursive, "Everything below");
  command.Flag("-l,--long", options->details, "Mode, owner, size and time too");
  command.Footer(Examples("holdfast ls db@57", "holdfast ls uploads@latest receipts -l"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Ls(context, *options)); });
}

}  // namespace holdfast::cli
