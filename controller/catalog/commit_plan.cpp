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

// A full list: keep in plan->open only what the head lacks, close what the list lacks.
absl::Status Subtract(SqliteDb& db, CommitPlan* plan) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT chunk FROM span WHERE source=?1 AND last=0"));
  row.Bind(plan->state.source.row);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return absl::OkStatus();
    const std::int64_t chunk = row.Integer(0);
    if (!plan->open.Erase(chunk)) plan->close.Insert(chunk);
  }
}

// A difference adds what the head lacks. Only commits and purges change what is open, one at a
// time.
absl::Status CheckNoneIsOpen(SqliteDb& db, const CommitPlan& plan) {
  ASSIGN_OR_RETURN(Statement open,
                   db.Prepare("SELECT 1 FROM span WHERE chunk=?1 AND source=?2 AND last=0"));
  for (std::int64_t row = plan.open.After(0); row != 0; row = plan.open.After(row)) {
    open.Reset();
    ASSIGN_OR_RETURN(const bool is_open, open.Bind(row, plan.state.source.row).Step());
    if (is_open) return DoesNotFit("it adds a chunk that is there already");
  }
  return absl::OkStatus();
}

absl::Status ResolveRemoved(ChunkLookup& lookup, std::int64_t domain_row,
                            const IdSequence& removed, CommitPlan* plan) {
  plan->chunk_count -= removed.size();
  return removed.ForEach([&](const ChunkId& id) -> absl::Status {
    ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(domain_row, id));
    if (chunk.rid == 0) return DoesNotFit("it removes a chunk that was never there");
    if (!plan->close.Insert(chunk.rid)) return DoesNotFit("it removes a chunk twice");
    plan->digest.Remove(id);
    return absl::OkStatus();
  });
}

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

}  // namespace

absl::StatusOr<CommitPlan> MakePlan(SqliteDb& db, const SnapshotCommit& commit) {
  CommitPlan plan;
  ASSIGN_OR_RETURN(plan.state, FindSource(db, commit.source));
  const std::int64_t source_row = plan.state.source.row;
  ASSIGN_OR_RETURN(plan.committed_before, ReadRun(db, source_row, commit.run_id));
  if (plan.committed_before) return plan;
  RETURN_IF_ERROR(CheckSeq(plan.state.source, commit.seq));
  ASSIGN_OR_RETURN(const std::int64_t domain_row, SourceDomain(db, plan.state));
  if (!commit.full) {
    RETURN_IF_ERROR(CheckHeadIsThere(db, plan.state.source));
    ASSIGN_OR_RETURN(plan.digest,
                     HeadDigest(db, source_row, plan.state.source.head_seq, &plan.chunk_count));
  }
  ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
  ASSIGN_OR_RETURN(const std::int64_t last_row, db.Number("SELECT max(rid) FROM chunk"));
  plan.close = RowSet(last_row);
  plan.open = RowSet(last_row);
  RETURN_IF_ERROR(commit.added.ForEach([&](const ChunkId& id) -> absl::Status {
    ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(domain_row, id));
    if (chunk.rid == 0 || chunk.state != kChunkLive) {
      if (plan.missing.size() < kMaxMissingNamed) plan.missing.push_back(id);
      return absl::OkStatus();
    }
    if (!plan.open.Insert(chunk.rid)) return DoesNotFit("it adds a chunk twice");
    plan.digest.Add(id);
    return absl::OkStatus();
  }));
  plan.chunk_count += commit.added.size();
  if (commit.full) {
    RETURN_IF_ERROR(Subtract(db, &plan));
  } else {
    RETURN_IF_ERROR(CheckNoneIsOpen(db, plan));
    RETURN_IF_ERROR(ResolveRemoved(lookup, domain_row, commit.removed, &plan));
  }
  return plan;
}

}  // namespace holdfast::catalog
