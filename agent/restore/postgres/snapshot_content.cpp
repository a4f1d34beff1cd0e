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

}  // namespace

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
      ASSIGN_OR_RETURN(source::TableFacts facts, source::TableOf(entry));
      content.tables.push_back({std::move(facts), entry});
    }
    return absl::OkStatus();
  }));
  std::stable_sort(content.tables.begin(), content.tables.end(),
                   [](const StoredTable& a, const StoredTable& b) {
                     return a.entry.content_bytes > b.entry.content_bytes;
                   });
  return content;
}

}  // namespace holdfast::restore
