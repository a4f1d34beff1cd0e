#include "controller/catalog/commit_plan.h"

#include "common/base/error.h"
#include "controller/catalog/schema.h"
#include "fmt/format.h"

namespace holdfast::catalog {

absl::Status DoesNotFit(std::string_view what) {
  return Error(ErrorKind::kConflict, 5024,
               fmt::format("unable to commit the snapshot: its reference list does not fit the one "
                           "before: {}",
                           what),
               "Run the backup again; the agent then sends a full list.");
}

absl::Status CheckSeq(const SourceRow& source, std::uint64_t seq) {
  if (seq == source.head_seq + 1) return absl::OkStatus();
  return Error(ErrorKind::kConflict, 5023,
               fmt::format("unable to commit snapshot {} of source '{}': the newest is {}", seq,
                           Escaped(source.name), source.head_seq),
               "Another run committed first, or the agent's state is old: run the backup again.");
}

namespace {

absl::StatusOr<SetDigest> HeadDigest(SqliteDb& db, std::int64_t source_row, std::uint64_t head,
                                     std::uint64_t* chunk_count) {
  ASSIGN_OR_RETURN(
      Statement row,
      db.Prepare("SELECT digest,chunk_count FROM snapshot WHERE source=?1 AND seq=?2"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(source_row, head).Step());
  if (!found) return SetDigest();
  *chunk_count = row.Unsigned(1);
  return SetDigest(row.Blob(0));
}

// A difference to a head that was purged (its source was gone for a while) cannot be applied.
absl::Status CheckHeadIsThere(SqliteDb& db, const SourceRow& source) {
  if (source.head_seq == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT state FROM snapshot WHERE source=?1 AND "
                                             "seq=?2 AND state<>?3"));
  ASSIGN_OR_RETURN(const bool found,
                   row.Bind(source.row, source.head_seq, kSnapshotPurging).Step());
  return found ? absl::OkStatus() : DoesNotFit("that one was forgotten");
}

absl::StatusOr<std::int64_t> SourceDomain(SqliteDb& db, const SourceState& state) {
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare("SELECT a.domain,d.row FROM agent a LEFT JOIN domain d "
                              "ON d.id=a.domain WHERE a.row=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(state.agent_row).Step());
  if (!found || row.IsNull(0)) {
    return Error(ErrorKind::kConflict, 5029,
                 fmt::format("unable to commit a snapshot of source '{}': its agent has not "
                             "published its domain",
                             Escaped(state.source.name)));
  }
  return row.Integer(1);  // 0 (NULL) when nothing was ever stored: every chunk is missing
}

class Planner {
 public:
  Planner(InRead in_read, std::uint64_t read_rows, const SnapshotCommit& commit)
      : in_read_(in_read), read_rows_(read_rows), commit_(commit) {}

  absl::StatusOr<CommitPlan> Run() {
    RETURN_IF_ERROR(in_read_([&](SqliteDb& db) { return Begin(db); }));
    if (plan_.committed_before) return std::move(plan_);
    plan_.chunk_count += commit_.added.size();
    RETURN_IF_ERROR(ForEach(commit_.added, &Planner::Add));
    if (commit_.full) {
      RETURN_IF_ERROR(Subtract());
    } else {
      RETURN_IF_ERROR(CheckNoneIsOpen());
      plan_.chunk_count -= commit_.removed.size();
      RETURN_IF_ERROR(ForEach(commit_.removed, &Planner::Remove));
    }
    return std::move(plan_);
  }

 private:
  absl::Status Begin(SqliteDb& db) {
    ASSIGN_OR_RETURN(plan_.state, FindSource(db, commit_.source));
    const std::int64_t source_row = plan_.state.source.row;
    ASSIGN_OR_RETURN(plan_.committed_before, ReadRun(db, source_row, commit_.run_id));
    if (plan_.committed_before) return absl::OkStatus();
    RETURN_IF_ERROR(CheckSeq(plan_.state.source, commit_.seq));
    ASSIGN_OR_RETURN(domain_row_, SourceDomain(db, plan_.state));
    if (!commit_.full) {
      RETURN_IF_ERROR(CheckHeadIsThere(db, plan_.state.source));
      ASSIGN_OR_RETURN(plan_.digest,
                       HeadDigest(db, source_row, plan_.state.source.head_seq, &plan_.chunk_count));
    }
    ASSIGN_OR_RETURN(const std::int64_t last_row, db.Number("SELECT max(rid) FROM chunk"));
    plan_.close = RowSet(last_row);
    plan_.open = RowSet(last_row);
    return absl::OkStatus();
  }

  using Handle = absl::Status (Planner::*)(const ChunkId& id, const ChunkRow& chunk);
  absl::Status ForEach(const IdSequence& ids, Handle handle) {
    std::vector<ChunkId> some;
    const auto look_up = [&] {
      return in_read_([&](SqliteDb& db) -> absl::Status {
        ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
        for (const ChunkId& id : some) {
          ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(domain_row_, id));
          RETURN_IF_ERROR((this->*handle)(id, chunk));
        }
        some.clear();
        return absl::OkStatus();
      });
    };
    RETURN_IF_ERROR(ids.ForEach([&](const ChunkId& id) {
      some.push_back(id);
      return some.size() < read_rows_ ? absl::OkStatus() : look_up();
    }));
    return look_up();
  }

  absl::Status Add(const ChunkId& id, const ChunkRow& chunk) {
    if (chunk.rid == 0 || chunk.state != kChunkLive) {
      if (plan_.missing.size() < kMaxMissingNamed) plan_.missing.push_back(id);
      return absl::OkStatus();
    }
    if (!plan_.open.Insert(chunk.rid)) return DoesNotFit("it adds a chunk twice");
    plan_.digest.Add(id);
    return absl::OkStatus();
  }

  absl::Status Remove(const ChunkId& id, const ChunkRow& chunk) {
    if (chunk.rid == 0) return DoesNotFit("it removes a chunk that was never there");
    if (!plan_.close.Insert(chunk.rid)) return DoesNotFit("it removes a chunk twice");
    plan_.digest.Remove(id);
    return absl::OkStatus();
  }

  // A full list: keep in plan.open only what the head lacks, close what the list lacks.
  absl::Status Subtract() {
    std::int64_t at = 0;
    for (std::uint64_t seen = read_rows_; seen == read_rows_;) {
      seen = 0;
      RETURN_IF_ERROR(in_read_([&](SqliteDb& db) -> absl::Status {
        ASSIGN_OR_RETURN(Statement row,
                         db.Prepare("SELECT chunk FROM span WHERE source=?1 AND last=0 AND "
                                    "chunk>?2 ORDER BY chunk LIMIT ?3"));
        row.Bind(plan_.state.source.row, at, read_rows_);
        for (;; ++seen) {
          ASSIGN_OR_RETURN(const bool more, row.Step());
          if (!more) return absl::OkStatus();
          at = row.Integer(0);
          if (!plan_.open.Erase(at)) plan_.close.Insert(at);
        }
      }));
    }
    return absl::OkStatus();
  }

  // A difference adds what the head lacks.
  absl::Status CheckNoneIsOpen() {
    std::int64_t at = plan_.open.After(0);
    while (at != 0) {
      RETURN_IF_ERROR(in_read_([&](SqliteDb& db) -> absl::Status {
        ASSIGN_OR_RETURN(Statement open,
                         db.Prepare("SELECT 1 FROM span WHERE chunk=?1 AND source=?2 AND last=0"));
        for (std::uint64_t left = read_rows_; at != 0 && left > 0; --left) {
          open.Reset();
          ASSIGN_OR_RETURN(const bool is_open, open.Bind(at, plan_.state.source.row).Step());
          if (is_open) return DoesNotFit("it adds a chunk that is there already");
          at = plan_.open.After(at);
        }
        return absl::OkStatus();
      }));
    }
    return absl::OkStatus();
  }

  const InRead in_read_;
  const std::uint64_t read_rows_;
  const SnapshotCommit& commit_;
  CommitPlan plan_;
  std::int64_t domain_row_ = 0;
};

}  // namespace

absl::StatusOr<CommitPlan> MakePlan(InRead in_read, const Switches& switches,
                                    const SnapshotCommit& commit) {
  ASSIGN_OR_RETURN(CommitPlan plan, Planner(in_read, switches.read_rows, commit).Run());
  plan.switches = &switches;
  return plan;
}

}  // namespace holdfast::catalog
