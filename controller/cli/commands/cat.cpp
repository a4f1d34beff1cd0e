// `holdfast cat SNAPSHOT PATH`: the bytes of one entry, on stdout; of a table in parts
// (FORMAT 5.1), asked for by its first one, all of them.
//
// Exit status: 0 every byte was written and authenticated; 5 damage, what was written is to be
// thrown away; 6 no such entry; others in DESIGN 12.

#include <algorithm>

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/open_snapshot.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct CatOptions {
  std::string snapshot;
  std::string path;
  bool force = false;
};

bool LooksBinary(ByteView piece) {
  return std::any_of(piece.begin(), piece.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
  });
}

// Whoever names the first part means the table.
absl::StatusOr<std::vector<Entry>> EntriesAt(const SnapshotView& view, const std::string& path) {
  ASSIGN_OR_RETURN(Entry first, view.Find(path));
  std::vector<Entry> entries = {std::move(first)};
  const auto parts = entries[0].attributes.find("parts");
  if (parts == entries[0].attributes.end()) return entries;
  const std::string count = parts->second;
  RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) {
    if (entry.path.starts_with(path + ".") && entry.attributes.count("part") > 0) {
      entries.push_back(entry);
    }
    return absl::OkStatus();
  }));
  if (std::to_string(entries.size()) == count) return entries;
  return Error(ErrorKind::kIntegrity, 1194,
               fmt::format("unable to read '{}': the snapshot has {} of its {} parts",
                           Escaped(path), entries.size(), Escaped(count)));
}

absl::Status Cat(Context& context, const CatOptions& options) {
  ASSIGN_OR_RETURN(const std::string path, EntryPath(options.path));
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const NamedSnapshot snapshot, OpenReference(context, *client, options.snapshot));
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, EntriesAt(snapshot.view(), path));
  const bool guard = context.terminal.OutputIsTerminal() && !options.force;
  const auto write = [&](ByteView piece) -> absl::Status {
    if (guard && LooksBinary(piece)) {
      return Error(
          ErrorKind::kRefused, 1190,
          fmt::format("unable to show '{}': it is binary and stdout is a terminal", Escaped(path)),
          "Redirect it to a file, or give --force.");
    }
    return WriteOut(context, piece);
  };
  for (const Entry& entry : entries) RETURN_IF_ERROR(ReadContent(snapshot.view(), entry, write));
  context.out << std::flush;
  return WriteOut(context, {});
}

}  // namespace

void AddCat(Command& program, Context& context) {
  auto options = std::make_shared<CatOptions>();
  Command command = program.Verb("cat", "Write one entry's bytes to stdout");
  command.Add("snapshot", options->snapshot, "SOURCE, SOURCE@57, or an id").Required();
  command.Add("path", options->path, "Path of the entry").Required();
  command.Flag("--force", options->force, "Binary to a terminal too");
  command.Footer(Examples("holdfast cat db@57 pre-data.sql",
                          "holdfast cat uploads@latest logo.png > logo.png"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Cat(context, *options)); });
}

}  // namespace holdfast::cli
