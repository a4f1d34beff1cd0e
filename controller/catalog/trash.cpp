// Forget, undelete and purge: how a snapshot's references go.
//
// Why a purge in several transactions is safe: it deletes only spans in which no snapshot lies that
// is committed or trashed, and works that out anew in every transaction. Commits wait meanwhile
// (commit_mutex_), since a commit and the purge of a head both close spans.
#include <algorithm>
#include <limits>
#include <map>

#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

// 0: there is none.
absl::StatusOr<int> StateOf(SqliteDb& db, std::int64_t source, std::uint64_t seq) {
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare("SELECT state FROM snapshot WHERE source=?1 AND seq=?2"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(source, seq).Step());
  return found ? static_cast<int>(row.Integer(0)) : 0;
}

absl::StatusOr<bool> IsConfigured(SqliteDb& db, std::int64_t source) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT configured FROM source WHERE row=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(source).Step());
  return found && row.Integer(0) != 0;
}

absl::StatusOr<bool> MustStay(SqliteDb& db, const SourceRow& source, std::uint64_t seq) {
  if (seq != source.head_seq) return false;
  return IsConfigured(db, source.row);
}

// The gap between the snapshots around `seq` that still need their references: nothing inside it
// is needed. end 0: none follows.
struct Gap {
  std::uint64_t before = 0;
  std::uint64_t end = 0;
};
absl::StatusOr<Gap> FindGap(SqliteDb& db, std::int64_t source, std::uint64_t seq,
                            bool trash_keeps_references) {
  const int last_state = trash_keeps_references ? kSnapshotTrashed : kSnapshotCommitted;
  Gap gap;
  ASSIGN_OR_RETURN(Statement before,
                   db.Prepare("SELECT ifnull(max(seq),0) FROM snapshot WHERE source=?1 AND seq<?2 "
                              "AND state<=?3"));
  RETURN_IF_ERROR(before.Bind(source, seq, last_state).Step().status());
  gap.before = before.Unsigned(0);
  ASSIGN_OR_RETURN(Statement after,
                   db.Prepare("SELECT ifnull(min(seq),0) FROM snapshot WHERE source=?1 AND seq>?2 "
                              "AND state<=?3"));
  RETURN_IF_ERROR(after.Bind(source, seq, last_state).Step().status());
  gap.end = after.Unsigned(0);
  return gap;
}

struct SpanKey {
  std::int64_t chunk = 0;
  std::uint64_t first = 0;
};
absl::StatusOr<std::vector<SpanKey>> ReadSpans(Statement row) {
  std::vector<SpanKey> spans;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return spans;
    spans.push_back({row.Integer(0), row.Unsigned(1)});
  }
}

absl::Status DropSpan(SqliteDb& db, std::int64_t source, const SpanKey& span) {
  RETURN_IF_ERROR(db.Run("DELETE FROM span WHERE chunk=?1 AND source=?2 AND first=?3", span.chunk,
                         source, span.first));
  return db.Run("INSERT OR IGNORE INTO cand(chunk) VALUES(?1)", span.chunk);
}

// Closed spans that lie wholly inside the gap and cover `seq` or something after it. What lies
// before `seq` in the gap went with the snapshots there.
absl::StatusOr<std::uint64_t> DropClosed(SqliteDb& db, std::int64_t source, std::uint64_t seq,
                                         const Gap& gap, int limit) {
  const std::uint64_t end =
      gap.end == 0 ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) : gap.end;
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare("SELECT chunk,first FROM span WHERE source=?1 AND last>=?2 AND "
                              "last<?3 AND first>?4 LIMIT ?5"));
  row.Bind(source, seq, end, gap.before, limit);
  ASSIGN_OR_RETURN(const std::vector<SpanKey> spans, ReadSpans(std::move(row)));
  for (const SpanKey& span : spans) RETURN_IF_ERROR(DropSpan(db, source, span));
  return spans.size();
}

// Nothing that needs references follows: open spans end with the snapshot before. They get its
// number, not the head's: what ends at the head was closed by a commit, and is opened again when
// that is rolled back.
absl::StatusOr<std::uint64_t> DropOpen(SqliteDb& db, std::int64_t source, const Gap& gap,
                                       int limit) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT chunk,first FROM span WHERE source=?1 AND "
                                             "last=0 LIMIT ?2"));
  row.Bind(source, limit);
  ASSIGN_OR_RETURN(const std::vector<SpanKey> spans, ReadSpans(std::move(row)));
  for (const SpanKey& span : spans) {
    if (span.first > gap.before) {
      RETURN_IF_ERROR(DropSpan(db, source, span));
    } else {
      RETURN_IF_ERROR(db.Run("UPDATE span SET last=?4 WHERE chunk=?1 AND source=?2 AND first=?3",
                             span.chunk, source, span.first, gap.before));
    }
  }
  return spans.size();
}

// Of this source's spans, those in which nothing that stays lies when `going_seqs` go.
absl::Status CountGoingSpans(SqliteDb& db, std::int64_t source,
                             const std::vector<std::uint64_t>& going_seqs,
                             std::map<std::int64_t, std::uint64_t>* going) {
  std::vector<std::uint64_t> staying;
  ASSIGN_OR_RETURN(
      Statement snapshot,
      db.Prepare("SELECT seq FROM snapshot WHERE source=?1 AND state<>3 ORDER BY seq"));
  snapshot.Bind(source);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, snapshot.Step());
    if (!more) break;
    const std::uint64_t seq = snapshot.Unsigned(0);
    if (std::find(going_seqs.begin(), going_seqs.end(), seq) == going_seqs.end()) {
      staying.push_back(seq);
    }
  }
  const std::uint64_t lowest = *std::min_element(going_seqs.begin(), going_seqs.end());
  ASSIGN_OR_RETURN(Statement span, db.Prepare("SELECT chunk,first,last FROM span WHERE source=?1 "
                                              "AND (last=0 OR last>=?2)"));
  span.Bind(source, lowest);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, span.Step());
    if (!more) return absl::OkStatus();
    const auto next = std::lower_bound(staying.begin(), staying.end(), span.Unsigned(1));
    const std::uint64_t last = span.Unsigned(2);
    if (next == staying.end() || (last != 0 && *next > last)) ++(*going)[span.Integer(0)];
  }
}

absl::Status FinishPurge(SqliteDb& db, std::int64_t source, std::uint64_t seq) {
  RETURN_IF_ERROR(
      db.Run("INSERT OR IGNORE INTO leftover(source,seq,list_full) SELECT source,seq,list_full "
             "FROM snapshot WHERE source=?1 AND seq=?2",
             source, seq));
  return db.Run("DELETE FROM snapshot WHERE source=?1 AND seq=?2", source, seq);
}

}  // namespace

absl::Status SqliteCatalog::Forget(const SourceId& source, const std::vector<std::uint64_t>& seqs,
                                   std::uint64_t purge_after_ms) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    for (const std::uint64_t seq : seqs) {
      ASSIGN_OR_RETURN(const bool must_stay, MustStay(db, found.source, seq));
      if (must_stay) {
        return Error(ErrorKind::kRefused, 5071,
                     fmt::format("unable to forget snapshot '{}@{}': it is the newest of its "
                                 "source",
                                 Escaped(found.source.name), seq),
                     "Make a newer backup first, or remove the source from its agent.");
      }
      RETURN_IF_ERROR(
          db.Run("UPDATE snapshot SET state=?3,purge_after=?4 WHERE source=?1 AND seq=?2 AND "
                 "state=1",
                 found.source.row, seq, kSnapshotTrashed, purge_after_ms));
      if (db.Changes() != 1) return NoSnapshot(seq);
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteCatalog::Undelete(const SourceId& source, std::uint64_t seq) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    ASSIGN_OR_RETURN(const int state, StateOf(db, found.source.row, seq));
    if (state == kSnapshotTrashed) {
      return db.Run("UPDATE snapshot SET state=1,purge_after=0 WHERE source=?1 AND seq=?2",
                    found.source.row, seq);
    }
    if (state == 0) return NoSnapshot(seq);
    return Error(
        ErrorKind::kConflict, 5072,
        fmt::format("unable to undelete snapshot '{}@{}': {}", Escaped(found.source.name), seq,
                    state == kSnapshotCommitted ? "it is not in the trash"
                                                : "its time in the trash is over"));
  });
}

absl::StatusOr<std::vector<TrashedSnapshot>> SqliteCatalog::ListTrash() {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<TrashedSnapshot>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT n.source,n.seq,n.state,n.purge_after,s.id FROM snapshot n "
                                "INDEXED BY snapshot_state JOIN source s ON s.row=n.source "
                                "WHERE n.state<>1 ORDER BY n.source,n.seq"));
    std::vector<TrashedSnapshot> trash;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return trash;
      TrashedSnapshot one;
      one.purging = row.Integer(2) == kSnapshotPurging;
      if (one.purging) {
        ASSIGN_OR_RETURN(one.snapshot.source, row.Id<SourceId>(4));
        one.snapshot.seq = row.Unsigned(1);
      } else {
        ASSIGN_OR_RETURN(one.snapshot, ReadSnapshot(db, row.Integer(0), row.Unsigned(1)));
      }
      one.purge_after_ms = row.Unsigned(3);
      trash.push_back(std::move(one));
    }
  });
}

absl::StatusOr<Step> SqliteCatalog::PurgeStep(const SourceId& source, std::uint64_t seq,
                                              std::uint64_t now_ms) {
  std::unique_lock lock(commit_mutex_, std::defer_lock);
  if (switches_.purge_waits_for_commits) {
    lock.lock();
    RETURN_IF_ERROR(RollBackCutCommits());
  }
  return Write([&](SqliteDb& db) -> absl::StatusOr<Step> {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    const std::int64_t row = found.source.row;
    ASSIGN_OR_RETURN(const int state, StateOf(db, row, seq));
    ASSIGN_OR_RETURN(const bool must_stay, MustStay(db, found.source, seq));
    if (state == kSnapshotTrashed && !must_stay) {
      RETURN_IF_ERROR(
          db.Run("UPDATE snapshot SET state=?3 WHERE source=?1 AND seq=?2 AND "
                 "purge_after<=?4",
                 row, seq, kSnapshotPurging, now_ms));
      return Step{0, db.Changes() == 1, 0};
    }
    if (state != kSnapshotPurging) return Step{};
    const int limit = switches_.step_rows;
    ASSIGN_OR_RETURN(Gap gap, FindGap(db, row, seq, switches_.trash_keeps_references));
    if (!switches_.purge_reaps_gaps) gap.before = seq - 1;
    ASSIGN_OR_RETURN(std::uint64_t rows, DropClosed(db, row, seq, gap, limit));
    if (gap.end == 0 && rows < static_cast<std::uint64_t>(limit)) {
      ASSIGN_OR_RETURN(const std::uint64_t open,
                       DropOpen(db, row, gap, limit - static_cast<int>(rows)));
      rows += open;
    }
    if (rows == static_cast<std::uint64_t>(limit)) return Step{rows, true, 0};
    RETURN_IF_ERROR(FinishPurge(db, row, seq));
    return Step{rows, false, 0};
  });
}

absl::StatusOr<std::uint64_t> SqliteCatalog::ExclusiveBytes(
    const std::vector<SnapshotName>& names) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    std::map<std::int64_t, std::vector<std::uint64_t>> by_source;
    for (const SnapshotName& name : names) {
      ASSIGN_OR_RETURN(const SourceState found, FindSource(db, name.source));
      by_source[found.source.row].push_back(name.seq);
    }
    std::map<std::int64_t, std::uint64_t> going;  // chunk: how many of its spans would go
    for (const auto& [source, seqs] : by_source) {
      RETURN_IF_ERROR(CountGoingSpans(db, source, seqs, &going));
    }
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT len,(SELECT count(*) FROM span WHERE chunk=?1) FROM chunk "
                                "WHERE rid=?1"));
    std::uint64_t bytes = 0;
    for (const auto& [chunk, spans] : going) {
      row.Reset();
      ASSIGN_OR_RETURN(const bool found, row.Bind(chunk).Step());
      if (found && row.Unsigned(1) == spans) bytes += row.Unsigned(0);
    }
    return bytes;
  });
}

}  // namespace holdfast::catalog
