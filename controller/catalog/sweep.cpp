// Chunks without a reference: candidates, condemned ones, and their end.
//
// A chunk is a candidate from its upload on, and again when its last span goes. Condemning is a
// note; what makes the end safe is that the transaction which deletes a chunk's row looks for spans
// once more, and that the one which writes a span looks for the row. Epochs and sessions only
// spare an agent from sending again what it was just told is there.
#include <algorithm>
#include <limits>

#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {
namespace {

absl::StatusOr<std::vector<std::int64_t>> ReadRows(Statement row) {
  std::vector<std::int64_t> rows;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return rows;
    rows.push_back(row.Integer(0));
  }
}

absl::Status DeleteChunk(SqliteDb& db, std::int64_t chunk) {
  RETURN_IF_ERROR(
      db.Run("INSERT OR IGNORE INTO touched(pack) SELECT pack FROM chunk WHERE rid=?1", chunk));
  RETURN_IF_ERROR(db.Run("DELETE FROM delta WHERE chunk=?1", chunk));
  return db.Run("DELETE FROM chunk WHERE rid=?1", chunk);
}

// What hinders the end of a condemned chunk.
struct Hindrance {
  bool referenced = false;
  bool is_base = false;  // a delta that is itself on its way out needs it as long as it is there
};
absl::StatusOr<Hindrance> Hinders(SqliteDb& db, std::int64_t chunk) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT EXISTS(SELECT 1 FROM span WHERE chunk=?1),"
                                             "EXISTS(SELECT 1 FROM delta WHERE base=?1)"));
  RETURN_IF_ERROR(row.Bind(chunk).Step().status());
  return Hindrance{row.Integer(0) != 0, row.Integer(1) != 0};
}

}  // namespace

std::uint64_t SqliteCatalog::OpenSession() {
  std::lock_guard lock(sessions_mutex_);
  sessions_[++last_session_] = epoch_;
  return last_session_;
}

void SqliteCatalog::CloseSession(std::uint64_t session) {
  std::lock_guard lock(sessions_mutex_);
  sessions_.erase(session);
}

std::int64_t SqliteCatalog::OldestSessionEpoch() {
  std::lock_guard lock(sessions_mutex_);
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (const auto& [session, epoch] : sessions_) oldest = std::min(oldest, epoch);
  return oldest;
}

absl::Status SqliteCatalog::ReadEpoch() {
  ASSIGN_OR_RETURN(const std::int64_t epoch,
                   Read([](SqliteDb& db) { return db.Number("SELECT epoch FROM collection"); }));
  std::lock_guard lock(sessions_mutex_);
  epoch_ = epoch;
  return absl::OkStatus();
}

absl::StatusOr<Step> SqliteCatalog::CondemnStep(std::uint64_t now_ms) {
  const auto condemn = [&](SqliteDb& db) -> absl::StatusOr<Step> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT chunk FROM cand ORDER BY chunk LIMIT ?1"));
    row.Bind(switches_.step_rows);
    ASSIGN_OR_RETURN(const std::vector<std::int64_t> rows, ReadRows(std::move(row)));
    if (rows.empty()) return Step{};
    RETURN_IF_ERROR(
        db.Run("INSERT OR IGNORE INTO trash(chunk,epoch,at) SELECT c.chunk,g.epoch,?2 "
               "FROM cand c JOIN collection g WHERE c.chunk<=?1 "
               "AND EXISTS(SELECT 1 FROM chunk WHERE rid=c.chunk) "
               "AND NOT EXISTS(SELECT 1 FROM span s WHERE s.chunk=c.chunk)",
               rows.back(), now_ms));
    Step step{static_cast<std::uint64_t>(db.Changes()), false, 0};
    RETURN_IF_ERROR(db.Run("DELETE FROM cand WHERE chunk<=?1", rows.back()));
    RETURN_IF_ERROR(db.Run("UPDATE collection SET epoch=epoch+1"));
    step.more = rows.size() == static_cast<std::size_t>(switches_.step_rows);
    return step;
  };
  ASSIGN_OR_RETURN(const Step step, Write(condemn));
  // After the commit: a session that opens meanwhile counts as older, and what was condemned waits
  // for it.
  RETURN_IF_ERROR(ReadEpoch());
  return step;
}

absl::StatusOr<Step> SqliteCatalog::SweepStep(std::uint64_t before_ms) {
  return Write([&](SqliteDb& db) -> absl::StatusOr<Step> {
    ASSIGN_OR_RETURN(Statement due,
                     db.Prepare("SELECT chunk FROM trash INDEXED BY trash_at WHERE at<=?1 AND "
                                "epoch<?2 ORDER BY at LIMIT ?3"));
    due.Bind(before_ms, OldestSessionEpoch(), switches_.step_rows);
    ASSIGN_OR_RETURN(const std::vector<std::int64_t> rows, ReadRows(std::move(due)));
    ASSIGN_OR_RETURN(Statement length, db.Prepare("SELECT len FROM chunk WHERE rid=?1"));
    Step step;
    for (const std::int64_t chunk : rows) {
      RETURN_IF_ERROR(db.Run("DELETE FROM trash WHERE chunk=?1", chunk));
      ASSIGN_OR_RETURN(const Hindrance hindrance, Hinders(db, chunk));
      if (hindrance.referenced && switches_.sweep_rechecks_spans) continue;
      if (hindrance.is_base && switches_.sweep_spares_bases) {
        RETURN_IF_ERROR(db.Run("INSERT OR IGNORE INTO cand(chunk) VALUES(?1)", chunk));
        continue;
      }
      length.Reset();
      ASSIGN_OR_RETURN(const bool found, length.Bind(chunk).Step());
      if (!found) continue;
      step.bytes += length.Unsigned(0);
      ++step.rows;
      RETURN_IF_ERROR(DeleteChunk(db, chunk));
    }
    step.more = rows.size() == static_cast<std::size_t>(switches_.step_rows);
    return step;
  });
}

absl::StatusOr<std::uint64_t> SqliteCatalog::UnreferencedBytes() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    ASSIGN_OR_RETURN(const std::int64_t bytes,
                     db.Number("SELECT CAST(total(len) AS INT) FROM chunk WHERE rid IN "
                               "(SELECT chunk FROM trash UNION SELECT chunk FROM cand) AND "
                               "NOT EXISTS(SELECT 1 FROM span WHERE span.chunk=chunk.rid)"));
    return static_cast<std::uint64_t>(bytes);
  });
}

// An agent is about to rely on these: they are candidates again, not condemned. False: it is gone.
absl::StatusOr<bool> Resurrect(SqliteDb& db, std::int64_t chunk) {
  RETURN_IF_ERROR(db.Run("DELETE FROM trash WHERE chunk=?1", chunk));
  if (db.Changes() == 1) {
    RETURN_IF_ERROR(db.Run("INSERT OR IGNORE INTO cand(chunk) VALUES(?1)", chunk));
    return true;
  }
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT 1 FROM chunk WHERE rid=?1 AND state=1"));
  return row.Bind(chunk).Step();
}

}  // namespace holdfast::catalog
