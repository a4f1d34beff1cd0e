#include "agent/restore/postgres/snapshot_content.h"

#include <xxhash.h>

#include <algorithm>
#include <memory>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::size_t kScriptLimitBytes = 1u << 30;

absl::StatusOr<std::string> ReadText(const SnapshotView& view, std::string_view path) {
  const absl::StatusOr<Entry> entry = view.Find(path);
  if (!entry.ok()) {
    return Error(ErrorKind::kIntegrity, 3110,
                 fmt::format("unable to restore the database: the snapshot has no '{}'", path));
  }
  if (entry->content_bytes > kScriptLimitBytes) {
    return Error(ErrorKind::kUsage, 3112,
                 fmt::format("unable to restore the database: '{}' has more than 1 GiB", path));
  }
  std::string text;
  RETURN_IF_ERROR(ReadVerified(view, *entry, [&](ByteView piece) {
    text.append(piece);
    return absl::OkStatus();
  }));
  return text;
}

absl::Status PartError(const Entry& entry) {
  return Error(ErrorKind::kIntegrity, 3110,
               fmt::format("unable to restore the database: a part of the table is missing before "
                           "or after '{}'",
                           Escaped(entry.path)));
}

// The parts of a table follow each other in the manifest.
absl::Status TakeTable(const Entry& entry, std::vector<StoredTable>& tables) {
  ASSIGN_OR_RETURN(source::TableFacts facts, source::TableOf(entry));
  ASSIGN_OR_RETURN(const source::TablePart part, source::PartOf(entry));
  if (part.number == 0) {
    tables.push_back({std::move(facts), {entry}});
    return absl::OkStatus();
  }
  if (tables.empty()) return PartError(entry);
  StoredTable& table = tables.back();
  if (table.parts.size() != part.number || table.facts.schema != facts.schema ||
      table.facts.name != facts.name) {
    return PartError(entry);
  }
  table.parts.push_back(entry);
  return absl::OkStatus();
}

absl::Status CheckParts(const std::vector<StoredTable>& tables) {
  for (const StoredTable& table : tables) {
    ASSIGN_OR_RETURN(const source::TablePart first, source::PartOf(table.parts.front()));
    if (first.count != table.parts.size()) return PartError(table.parts.back());
  }
  return absl::OkStatus();
}

}  // namespace

std::uint64_t StoredTable::content_bytes() const {
  std::uint64_t bytes = 0;
  for (const Entry& part : parts) bytes += part.content_bytes;
  return bytes;
}

source::RowChecksum StoredTable::rows() const {
  source::RowChecksum sum;
  for (const Entry& part : parts) sum.AddStored(*part.rows, part.row_checksum);
  return sum;
}

absl::Status ReadVerified(const SnapshotView& view, const Entry& entry,
                          absl::FunctionRef<absl::Status(ByteView)> consume) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_128bits_reset(state.get());
  RETURN_IF_ERROR(view.Read(entry, [&](ByteView piece) {
    XXH3_128bits_update(state.get(), piece.data(), piece.size());
    return consume(piece);
  }));
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  const ByteView found(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
  if (entry.content_hash.empty() || entry.content_hash == found) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 3111,
               fmt::format("unable to read '{}' of the snapshot: its content is not the one stored",
                           Escaped(entry.path)),
               "Verify the snapshot, or restore another one.");
}

absl::StatusOr<SnapshotContent> ReadContent(const SnapshotView& view) {
  SnapshotContent content;
  ASSIGN_OR_RETURN(const std::string database, ReadText(view, "database.json"));
  ASSIGN_OR_RETURN(content.database, source::DecodeDatabase(database));
  ASSIGN_OR_RETURN(const std::string sequences, ReadText(view, "sequences.json"));
  ASSIGN_OR_RETURN(content.sequences, source::DecodeSequences(sequences));
  ASSIGN_OR_RETURN(content.globals, ReadText(view, "globals.sql"));
  ASSIGN_OR_RETURN(content.pre_data, ReadText(view, "pre-data.sql"));
  ASSIGN_OR_RETURN(content.post_data, ReadText(view, "post-data.sql"));
  RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) -> absl::Status {
    content.total_bytes += entry.content_bytes;
    if (entry.path == "large-objects.sql") {
      content.large_objects = entry;
    } else if (entry.type == EntryType::kFile && entry.path.starts_with("data/")) {
      RETURN_IF_ERROR(TakeTable(entry, content.tables));
    }
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(CheckParts(content.tables));
  std::stable_sort(content.tables.begin(), content.tables.end(),
                   [](const StoredTable& a, const StoredTable& b) {
                     return a.content_bytes() > b.content_bytes();
                   });
  return content;
}

}  // namespace holdfast::restore
