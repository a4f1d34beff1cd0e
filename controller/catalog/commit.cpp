// CommitSnapshot: the difference to the head becomes spans, then the new head is published.
//
// Why a commit in several transactions is safe: until the last one sets head = n, what was added
// begins at n (invisible) and what was closed ends at n − 1 (still covers the head). So a half
// commit neither shows nor kills a chunk, and rolling it back restores the head's set exactly.
#include <algorithm>

#include "absl/functional/function_ref.h"
#include "controller/catalog/commit_plan.h"
#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {
namespace {

constexpr int kMissingCode = 5028;  // inside this file only: rolls back, then lists
// Packs that arrive wait as long, and for one sync.
constexpr absl::Duration kLongestWrite = absl::Milliseconds(20);
constexpr std::uint64_t kLookAtClockEvery = 64;  // changes

absl::Status MissingChunks() {
  return Error(ErrorKind::kRefused, kMissingCode, "chunks are missing");
}

absl::Status RollBack(SqliteDb& db, const SourceRow& source, const Switches& switches) {
  if (switches.rollback_keeps_candidates) {
    RETURN_IF_ERROR(
        db.Run("INSERT OR IGNORE INTO cand(chunk) SELECT chunk FROM span WHERE source=?1 AND "
               "last=0 AND first>?2",
               source.row, source.head_seq));
  }
  RETURN_IF_ERROR(db.Run("DELETE FROM span WHERE source=?1 AND last=0 AND first>?2", source.row,
                         source.head_seq));
  // With head 0 nothing can have been closed, and last = 0 means open.
  if (switches.rollback_reopens) {
    RETURN_IF_ERROR(db.Run("UPDATE span SET last=0 WHERE source=?1 AND last>=?2", source.row,
                           std::max<std::uint64_t>(source.head_seq, 1)));
  }
  return db.Run("UPDATE source SET committing=0 WHERE row=?1", source.row);
}

// How far the changes of a plan are gone through: closes first, then opens, each in ascending
// order. What comes next; 0: nothing more.
struct Progress {
  explicit Progress(const CommitPlan& plan)
      : close(plan.close.After(0)), open(plan.open.After(0)) {}
  bool done() const { return close == 0 && open == 0; }
  std::int64_t next() const { return close != 0 ? close : open; }
  void Advance(const CommitPlan& plan) {
    if (close != 0) {
      close = plan.close.After(close);
    } else {
      open = plan.open.After(open);
    }
  }

  std::int64_t close;
  std::int64_t open;
};

// Writes the next changes of the plan: `count` at most, and some at least, until it is late.
// MissingChunks when a chunk went since the plan was made.
class Writing {
 public:
  static absl::StatusOr<Writing> Begin(SqliteDb& db, const CommitPlan& plan, std::uint64_t seq);
  absl::Status Write(std::uint64_t count, absl::FunctionRef<bool()> is_late, Progress* progress);

 private:
  Writing(SqliteDb& db, const CommitPlan& plan, std::uint64_t seq, Statement close, Statement look,
          Statement open)
      : db_(db),
        plan_(plan),
        seq_(seq),
        close_(std::move(close)),
        look_(std::move(look)),
        open_(std::move(open)) {}
  absl::Status Close(std::int64_t row);
  absl::Status Open(std::int64_t row);

  SqliteDb& db_;
  const CommitPlan& plan_;
  const std::uint64_t seq_;
  Statement close_;
  Statement look_;
  Statement open_;
};

absl::StatusOr<Writing> Writing::Begin(SqliteDb& db, const CommitPlan& plan, std::uint64_t seq) {
  ASSIGN_OR_RETURN(Statement close,
                   db.Prepare("UPDATE span SET last=?3 WHERE chunk=?1 AND source=?2 AND last=0"));
  ASSIGN_OR_RETURN(Statement look,
                   db.Prepare("SELECT state,EXISTS(SELECT 1 FROM trash WHERE chunk=?1) "
                              "FROM chunk WHERE rid=?1"));
  ASSIGN_OR_RETURN(Statement open,
                   db.Prepare("INSERT INTO span(chunk,source,first,last) VALUES(?1,?2,?3,0)"));
  return Writing(db, plan, seq, std::move(close), std::move(look), std::move(open));
}

absl::Status Writing::Write(std::uint64_t count, absl::FunctionRef<bool()> is_late,
                            Progress* progress) {
  for (; count > 0 && !progress->done(); --count) {
    RETURN_IF_ERROR(progress->close != 0 ? Close(progress->close) : Open(progress->open));
    progress->Advance(plan_);
    if (count % kLookAtClockEvery == 0 && is_late()) break;
  }
  return absl::OkStatus();
}

absl::Status Writing::Close(std::int64_t row) {
  RETURN_IF_ERROR(close_.Bind(row, plan_.state.source.row, seq_ - 1).Run());
  return db_.Changes() == 1 ? absl::OkStatus() : DoesNotFit("it removes a chunk that is not there");
}

// The presence check belongs into this transaction: between the plan and now the chunk may have
// been collected or found damaged.
absl::Status Writing::Open(std::int64_t row) {
  look_.Reset();
  ASSIGN_OR_RETURN(const bool there, look_.Bind(row).Step());
  const bool live = there && look_.Integer(0) == kChunkLive;
  const bool in_trash = there && look_.Integer(1) != 0;
  if (!live && plan_.switches->commit_checks_presence) return MissingChunks();
  RETURN_IF_ERROR(open_.Bind(row, plan_.state.source.row, seq_).Run());
  if (!in_trash || !plan_.switches->commit_clears_trash) return absl::OkStatus();
  return db_.Run("DELETE FROM trash WHERE chunk=?1", row);
}

absl::Status WriteBatch(SqliteDb& db, const CommitPlan& plan, std::uint64_t seq,
                        std::uint64_t count, Clock& clock, Progress* progress) {
  RETURN_IF_ERROR(
      db.Run("UPDATE source SET committing=?2 WHERE row=?1", plan.state.source.row, seq));
  const absl::Duration begin = clock.Monotonic();
  ASSIGN_OR_RETURN(Writing writing, Writing::Begin(db, plan, seq));
  return writing.Write(
      count, [&] { return clock.Monotonic() - begin > kLongestWrite; }, progress);
}

// Chunks that the new snapshot keeps from its head, or got in an earlier transaction of this
// commit, and that are not LIVE now. Few chunks are not LIVE at any time, and they have an index;
// CROSS JOIN keeps SQLite from walking the whole set of the source instead.
absl::Status CheckNoneIsBad(SqliteDb& db, std::int64_t source_row, std::vector<ChunkId>* missing) {
  ASSIGN_OR_RETURN(
      Statement row,
      db.Prepare("SELECT c.id FROM chunk c INDEXED BY chunk_not_live CROSS JOIN span s "
                 "ON s.chunk=c.rid WHERE c.state<>1 AND s.source=?1 AND s.last=0 "
                 "ORDER BY c.id"));
  row.Bind(source_row);
  while (missing->size() < kMaxMissingNamed) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) break;
    ASSIGN_OR_RETURN(const ChunkId id, row.Id<ChunkId>(0));
    missing->push_back(id);
  }
  return missing->empty() ? absl::OkStatus() : MissingChunks();
}

absl::Status BasesAreMissing() {
  return Error(ErrorKind::kIntegrity, 5067,
               "unable to commit the snapshot: its reference list lacks the base of a delta",
               "Run the backup again; the agent's release does not fit when it stays so.");
}

// What the next changes, `most` of them, may have broken: that the bases of every delta are in the
// set too. Two questions per change, so for a large commit this is no part of a write transaction.
absl::Status CheckBases(SqliteDb& db, const CommitPlan& plan, std::uint64_t most,
                        Progress* progress) {
  ASSIGN_OR_RETURN(
      Statement lacks,
      db.Prepare("SELECT 1 FROM delta d WHERE d.chunk=?1 AND NOT EXISTS("
                 "SELECT 1 FROM span s WHERE s.chunk=d.base AND s.source=?2 AND s.last=0)"));
  ASSIGN_OR_RETURN(Statement needed,
                   db.Prepare("SELECT 1 FROM delta d CROSS JOIN span s ON s.chunk=d.chunk "
                              "WHERE d.base=?1 AND s.source=?2 AND s.last=0 LIMIT 1"));
  for (; most > 0 && !progress->done(); --most) {
    const bool closes = progress->close != 0;
    Statement& question = closes ? needed : lacks;
    question.Reset();
    ASSIGN_OR_RETURN(const bool broken,
                     question.Bind(progress->next(), plan.state.source.row).Step());
    if (broken) return BasesAreMissing();
    progress->Advance(plan);
  }
  return absl::OkStatus();
}

absl::Status CheckBasesInReads(InRead in_read, const CommitPlan& plan, std::uint64_t read_rows) {
  Progress progress(plan);
  while (!progress.done()) {
    RETURN_IF_ERROR(
        in_read([&](SqliteDb& db) { return CheckBases(db, plan, read_rows, &progress); }));
  }
  return absl::OkStatus();
}

absl::Status Publish(SqliteDb& db, const CommitPlan& plan, const SnapshotCommit& commit,
                     std::uint64_t now_ms, std::vector<ChunkId>* missing) {
  const std::int64_t source = plan.state.source.row;
  RETURN_IF_ERROR(CheckNoneIsBad(db, source, missing));
  RETURN_IF_ERROR(
      db.Run("UPDATE source SET head=?2,max_seq=max(max_seq,?2),committing=0 "
             "WHERE row=?1 AND head=?2-1",
             source, commit.seq));
  if (db.Changes() != 1) return CheckSeq(plan.state.source, commit.seq);
  // A snapshot ends the row of failures, also when nobody hears how its run ended.
  RETURN_IF_ERROR(db.Run("DELETE FROM failure WHERE source=?1", source));
  return db.Run(
      "INSERT INTO snapshot(source,seq,state,run_id,snapshot_id,agent,taken_at,committed_at,"
      "partial,content_bytes,entry_count,stored_bytes,chunk_count,duration_ms,verified_at,digest,"
      "list_full) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,0,?15,?16)",
      source, commit.seq, kSnapshotCommitted, commit.run_id, commit.snapshot_id,
      plan.state.agent_row, commit.taken_at_ms, now_ms, commit.partial, commit.content_bytes,
      commit.entry_count, commit.stored_bytes, plan.chunk_count, commit.duration_ms,
      plan.digest.bytes(), commit.full);
}

}  // namespace

absl::Status SqliteCatalog::SettleDoubt() {
  {
    std::lock_guard lock(writer_mutex_);
    if (!in_doubt_) return absl::OkStatus();
  }
  // Anything that is written takes the place of what failed in the log.
  RETURN_IF_ERROR(Write([](SqliteDb& db) { return db.Run("UPDATE collection SET epoch=epoch"); }));
  std::lock_guard lock(writer_mutex_);
  in_doubt_ = false;
  return absl::OkStatus();
}

absl::Status SqliteCatalog::RollBackCutCommits() {
  return Write([this](SqliteDb& db) -> absl::Status {
    std::vector<SourceRow> cut;
    {
      ASSIGN_OR_RETURN(Statement row,
                       db.Prepare("SELECT row,head FROM source WHERE committing<>0"));
      for (;;) {
        ASSIGN_OR_RETURN(const bool more, row.Step());
        if (!more) break;
        SourceRow source;
        source.row = row.Integer(0);
        source.head_seq = row.Unsigned(1);
        cut.push_back(std::move(source));
      }
    }
    for (const SourceRow& source : cut) RETURN_IF_ERROR(RollBack(db, source, switches_));
    return absl::OkStatus();
  });
}

absl::StatusOr<CommitResult> SqliteCatalog::CommitSnapshot(const SnapshotCommit& commit,
                                                           std::uint64_t now_ms) {
  std::lock_guard lock(commit_mutex_);
  // What a failed commit could not undo, for want of space say.
  RETURN_IF_ERROR(RollBackCutCommits());
  const auto in_read = [this](absl::FunctionRef<absl::Status(SqliteDb&)> look) {
    if (switches_.between_reads) switches_.between_reads();
    return Read([&](SqliteDb& db) { return look(db); });
  };
  ASSIGN_OR_RETURN(CommitPlan plan, MakePlan(in_read, switches_, commit));
  CommitResult result;
  if (plan.committed_before) {
    result.snapshot = *plan.committed_before;
    return result;
  }
  result.missing = std::move(plan.missing);
  if (!result.missing.empty()) return result;
  const auto pause = [this] {
    if (switches_.between_transactions) switches_.between_transactions();
  };

  pause();
  const std::size_t batch = switches_.commit_batch;
  absl::Status status;
  Progress progress(plan);
  const bool in_batches = plan.changes() > batch;
  std::optional<std::uint64_t> checked_at;  // bases_changed_ when the bases were looked at
  while (status.ok() && in_batches && !progress.done()) {
    status = Write([&](SqliteDb& db) {
      checked_at = bases_changed_;
      return WriteBatch(db, plan, commit.seq, batch, clock_, &progress);
    });
    pause();
  }
  // Only this commit changes spans of the source; what a chunk depends on changes when a damaged
  // one is stored again, and then they are looked at once more.
  if (status.ok() && in_batches) {
    status = CheckBasesInReads(in_read, plan, switches_.read_rows);
    pause();
  }
  if (status.ok()) {
    status = Write([&](SqliteDb& db) -> absl::Status {
      if (!in_batches) {
        ASSIGN_OR_RETURN(Writing writing, Writing::Begin(db, plan, commit.seq));
        RETURN_IF_ERROR(writing.Write(
            plan.changes(), [] { return false; }, &progress));
      }
      if (checked_at != bases_changed_) {
        Progress all(plan);
        RETURN_IF_ERROR(CheckBases(db, plan, plan.changes(), &all));
      }
      return Publish(db, plan, commit, now_ms, &result.missing);
    });
  }
  if (!status.ok()) {
    // When this fails too, the next commit or Open does it.
    RollBackCutCommits().IgnoreError();
    if (CodeOf(status) != kMissingCode) return status;
    if (!result.missing.empty()) return result;
    // Which ones went, by name: rows alone do not tell.
    ASSIGN_OR_RETURN(const CommitPlan now, MakePlan(in_read, switches_, commit));
    if (now.missing.empty()) return DoesNotFit("a chunk went and came back meanwhile");
    result.missing = now.missing;
    return result;
  }
  ASSIGN_OR_RETURN(result.snapshot, Read([&](SqliteDb& db) {
                     return ReadSnapshot(db, plan.state.source.row, commit.seq);
                   }));
  return result;
}

}  // namespace holdfast::catalog
