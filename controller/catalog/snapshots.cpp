// Committed snapshots and what they reference.
#include <algorithm>

#include "controller/catalog/set_digest.h"
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

#define SNAPSHOT_COLUMNS                                                                    \
  "SELECT s.id,a.id,a.domain,n.seq,n.snapshot_id,n.taken_at,n.committed_at,n.partial,"      \
  "n.content_bytes,n.entry_count,n.stored_bytes,n.chunk_count,n.duration_ms,n.verified_at " \
  "FROM snapshot n JOIN source s ON s.row=n.source JOIN agent a ON a.row=n.agent "

absl::StatusOr<SnapshotRow> FromRow(const Statement& row) {
  SnapshotRow snapshot;
  ASSIGN_OR_RETURN(snapshot.source, row.Id<SourceId>(0));
  ASSIGN_OR_RETURN(snapshot.agent, row.Id<AgentId>(1));
  ASSIGN_OR_RETURN(snapshot.domain, row.Id<DomainId>(2));
  snapshot.seq = row.Unsigned(3);
  ASSIGN_OR_RETURN(snapshot.snapshot_id, row.Id<Hash256>(4));
  snapshot.taken_at_ms = row.Unsigned(5);
  snapshot.committed_at_ms = row.Unsigned(6);
  snapshot.partial = row.Integer(7) != 0;
  snapshot.content_bytes = row.Unsigned(8);
  snapshot.entry_count = row.Unsigned(9);
  snapshot.stored_bytes = row.Unsigned(10);
  snapshot.chunk_count = row.Unsigned(11);
  snapshot.duration_ms = row.Unsigned(12);
  snapshot.verified_at_ms = row.Unsigned(13);
  return snapshot;
}

absl::Status CheckDigest(SqliteDb& db, std::int64_t source, std::uint64_t seq,
                         const std::vector<ChunkId>& ids) {
  SetDigest digest;
  for (const ChunkId& id : ids) digest.Add(id);
  ASSIGN_OR_RETURN(
      Statement row,
      db.Prepare("SELECT digest,chunk_count FROM snapshot WHERE source=?1 AND seq=?2"));
  RETURN_IF_ERROR(row.Bind(source, seq).Step().status());
  if (row.Blob(0) == digest.bytes() && row.Unsigned(1) == ids.size()) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 5007,
               fmt::format("unable to trust the references of snapshot {}: the catalog has {} "
                           "chunks for it, {} were committed, or others",
                           seq, ids.size(), row.Unsigned(1)),
               kDamagedHint);
}

}  // namespace

absl::Status NoSnapshot(std::uint64_t seq) {
  return Error(ErrorKind::kNotFound, 5027,
               seq == 0 ? "unable to find a snapshot: the source has none yet"
                        : fmt::format("unable to find snapshot {} of the source", seq),
               "List what is there with 'holdfast snapshots'.");
}

absl::StatusOr<SnapshotRow> ReadSnapshot(SqliteDb& db, std::int64_t source_row, std::uint64_t seq) {
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare(SNAPSHOT_COLUMNS "WHERE n.source=?1 AND n.seq=?2 AND n.state<>3"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(source_row, seq).Step());
  if (!found) return NoSnapshot(seq);
  return FromRow(row);
}

absl::StatusOr<std::optional<SnapshotRow>> ReadRun(SqliteDb& db, std::int64_t source_row,
                                                   ByteView run_id) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare(SNAPSHOT_COLUMNS "WHERE n.source=?1 AND n.run_id=?2"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(source_row, run_id).Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(SnapshotRow snapshot, FromRow(row));
  return snapshot;
}

absl::StatusOr<std::optional<SnapshotRow>> SqliteCatalog::FindRun(const SourceId& source,
                                                                  ByteView run_id) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::optional<SnapshotRow>> {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    return ReadRun(db, state.source.row, run_id);
  });
}

absl::StatusOr<SnapshotRow> SqliteCatalog::GetSnapshot(const SourceId& source, std::uint64_t seq) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<SnapshotRow> {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    return ReadSnapshot(db, state.source.row, seq == 0 ? state.source.head_seq : seq);
  });
}

absl::StatusOr<std::vector<SnapshotRow>> SqliteCatalog::ListSnapshots(const SourceId& source,
                                                                      std::uint32_t limit) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<SnapshotRow>> {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare(SNAPSHOT_COLUMNS
                                "WHERE n.source=?1 AND n.state=1 ORDER BY n.seq DESC LIMIT ?2"));
    row.Bind(state.source.row, limit);
    std::vector<SnapshotRow> snapshots;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return snapshots;
      ASSIGN_OR_RETURN(SnapshotRow snapshot, FromRow(row));
      snapshots.push_back(std::move(snapshot));
    }
  });
}

absl::StatusOr<std::vector<ChunkId>> SqliteCatalog::References(const SourceId& source,
                                                               std::uint64_t seq) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<ChunkId>> {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    const std::int64_t source_row = state.source.row;
    if (seq == 0) return NoSnapshot(seq);
    RETURN_IF_ERROR(ReadSnapshot(db, source_row, seq).status());
    // A commit under way shows neither way: what it adds begins above the head, what it closes
    // still covers the head.
    std::vector<ChunkId> ids;
    {
      ASSIGN_OR_RETURN(
          Statement row,
          db.Prepare("SELECT c.id FROM span s JOIN chunk c ON c.rid=s.chunk WHERE s.source=?1 "
                     "AND s.first<=?2 AND (s.last=0 OR s.last>=?2)"));
      row.Bind(source_row, seq);
      for (;;) {
        ASSIGN_OR_RETURN(const bool more, row.Step());
        if (!more) break;
        ASSIGN_OR_RETURN(const ChunkId id, row.Id<ChunkId>(0));
        ids.push_back(id);
      }
    }
    std::sort(ids.begin(), ids.end());
    RETURN_IF_ERROR(CheckDigest(db, source_row, seq, ids));
    return ids;
  });
}

absl::Status SqliteCatalog::SetVerified(const SourceId& source, std::uint64_t seq,
                                        std::uint64_t at_ms) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    RETURN_IF_ERROR(db.Run("UPDATE snapshot SET verified_at=?3 WHERE source=?1 AND seq=?2",
                           state.source.row, seq, at_ms));
    return db.Changes() == 1 ? absl::OkStatus() : NoSnapshot(seq);
  });
}

}  // namespace holdfast::catalog
