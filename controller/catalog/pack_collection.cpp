// Packs with little left in them, and what a purge leaves in the store.
#include <algorithm>

#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

absl::StatusOr<std::vector<PackWeight>> ReadPacks(Statement row) {
  std::vector<PackWeight> packs;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return packs;
    PackWeight pack;
    pack.pack_row = row.Integer(0);
    ASSIGN_OR_RETURN(pack.domain, row.Id<DomainId>(1));
    ASSIGN_OR_RETURN(pack.name, row.Id<PackName>(2));
    pack.size_bytes = row.Unsigned(3);
    pack.live_bytes = row.Unsigned(4);
    pack.has_bad = row.Integer(5) != 0;
    packs.push_back(pack);
  }
}

absl::StatusOr<bool> Holds(SqliteDb& db, std::int64_t pack_row) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT 1 FROM chunk WHERE pack=?1 LIMIT 1"));
  return row.Bind(pack_row).Step();
}

absl::StatusOr<int> PackState(SqliteDb& db, std::int64_t pack_row) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT state FROM pack WHERE row=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(pack_row).Step());
  return found ? static_cast<int>(row.Integer(0)) : 0;
}

// A snapshot's list is read together with those before it, back to the nearest full one. So a list
// is needed while a snapshot follows it before the next full list.
absl::StatusOr<bool> ListIsNeeded(SqliteDb& db, std::int64_t source, std::uint64_t seq) {
  ASSIGN_OR_RETURN(
      Statement row,
      db.Prepare("SELECT EXISTS(SELECT 1 FROM snapshot WHERE source=?1 AND seq>?2 AND "
                 "seq<(SELECT min(f) FROM (SELECT 9223372036854775807 AS f "
                 "UNION ALL SELECT min(seq) FROM snapshot WHERE source=?1 AND seq>?2 AND "
                 "list_full=1 "
                 "UNION ALL SELECT min(seq) FROM leftover WHERE source=?1 AND seq>?2 AND "
                 "list_full=1)))"));
  RETURN_IF_ERROR(row.Bind(source, seq).Step().status());
  return row.Integer(0) != 0;
}

}  // namespace

absl::StatusOr<std::vector<PackWeight>> SqliteCatalog::WeighTouchedPacks() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<PackWeight>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT p.row,d.id,p.name,p.size,"
                   "(SELECT ifnull(sum(len),0) FROM chunk WHERE pack=p.row AND state<>2),"
                   "EXISTS(SELECT 1 FROM chunk WHERE pack=p.row AND state=2) "
                   "FROM touched t JOIN pack p ON p.row=t.pack JOIN domain d ON d.row=p.domain "
                   "WHERE p.state=2 ORDER BY p.row"));
    return ReadPacks(std::move(row));
  });
}

absl::Status SqliteCatalog::SetWeighed(const std::vector<PackWeight>& packs) {
  constexpr auto kBatch = static_cast<std::size_t>(kStepRows);
  for (std::size_t begin = 0; begin < packs.size(); begin += kBatch) {
    RETURN_IF_ERROR(Write([&](SqliteDb& db) -> absl::Status {
      for (std::size_t i = begin; i < std::min(packs.size(), begin + kBatch); ++i) {
        RETURN_IF_ERROR(
            db.Run("DELETE FROM touched WHERE pack=?1 AND "
                   "(SELECT ifnull(sum(len),0) FROM chunk WHERE pack=?1 AND state<>2)=?2",
                   packs[i].pack_row, packs[i].live_bytes));
      }
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PackEntry>> SqliteCatalog::ChunksIn(std::int64_t pack_row) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<PackEntry>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT id,off,len FROM chunk WHERE pack=?1 AND "
                                               "state<>2 ORDER BY off"));
    row.Bind(pack_row);
    std::vector<PackEntry> chunks;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return chunks;
      PackEntry entry;
      ASSIGN_OR_RETURN(entry.id, row.Id<ChunkId>(0));
      entry.offset_bytes = row.Unsigned(1);
      entry.length_bytes = static_cast<std::uint32_t>(row.Integer(2));
      chunks.push_back(entry);
    }
  });
}

absl::StatusOr<Step> SqliteCatalog::MoveChunks(std::int64_t from_pack, std::int64_t to_pack,
                                               const std::vector<MovedObject>& objects) {
  HOLDFAST_CHECK(objects.size() <= static_cast<std::size_t>(kStepRows));
  return Write([&](SqliteDb& db) -> absl::StatusOr<Step> {
    ASSIGN_OR_RETURN(const int state, PackState(db, to_pack));
    // An empty pack may have been retired before its chunks arrive.
    if (state != kPackSealed && switches_.move_checks_target) {
      return Error(ErrorKind::kConflict, 5073,
                   fmt::format("unable to move chunks to pack {}: it is not finished", to_pack));
    }
    Step step;
    for (const MovedObject& object : objects) {
      // Swept, damaged or stored anew meanwhile: then the copy is of no use, and stays unknown.
      RETURN_IF_ERROR(
          db.Run("UPDATE chunk SET pack=?5,off=?6,len=?7 WHERE substr(id,1,8)=?1 AND id=?2 AND "
                 "pack=?3 AND off=?4 AND state<>2",
                 object.id.view().substr(0, 8), object.id, from_pack, object.from_offset_bytes,
                 to_pack, object.to.offset_bytes, object.to.length_bytes));
      step.rows += static_cast<std::uint64_t>(db.Changes());
    }
    for (const std::int64_t pack : {from_pack, to_pack}) {
      RETURN_IF_ERROR(db.Run("INSERT OR IGNORE INTO touched(pack) VALUES(?1)", pack));
    }
    return step;
  });
}

absl::StatusOr<bool> SqliteCatalog::RetirePack(std::int64_t pack_row) {
  return Write([&](SqliteDb& db) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const bool holds, Holds(db, pack_row));
    if (holds && switches_.retire_rechecks) return false;
    RETURN_IF_ERROR(
        db.Run("UPDATE pack SET state=?2 WHERE row=?1 AND state=2", pack_row, kPackDeleting));
    if (db.Changes() != 1) return false;
    RETURN_IF_ERROR(db.Run("DELETE FROM touched WHERE pack=?1", pack_row));
    return true;
  });
}

absl::StatusOr<std::vector<PackWeight>> SqliteCatalog::ListRetiredPacks() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<PackWeight>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT p.row,d.id,p.name,p.size,0,0 FROM pack p "
                                               "JOIN domain d ON d.row=p.domain WHERE p.state=4"));
    return ReadPacks(std::move(row));
  });
}

absl::Status SqliteCatalog::ForgetRetiredPack(std::int64_t pack_row) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(db.Run("DELETE FROM pack WHERE row=?1 AND state=?2", pack_row, kPackDeleting));
    return db.Run("DELETE FROM pack_key WHERE pack=?1", pack_row);
  });
}

absl::StatusOr<std::vector<Leftover>> SqliteCatalog::ListLeftovers() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<Leftover>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT s.id,l.seq,l.record_gone,l.source FROM leftover l "
                                "JOIN source s ON s.row=l.source ORDER BY l.source,l.seq"));
    std::vector<Leftover> leftovers;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return leftovers;
      Leftover one;
      ASSIGN_OR_RETURN(one.source, row.Id<SourceId>(0));
      one.seq = row.Unsigned(1);
      one.record_gone = row.Integer(2) != 0;
      ASSIGN_OR_RETURN(one.list_needed, ListIsNeeded(db, row.Integer(3), one.seq));
      leftovers.push_back(one);
    }
  });
}

absl::Status SqliteCatalog::SetRecordGone(const SourceId& source, std::uint64_t seq) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    return db.Run("UPDATE leftover SET record_gone=1 WHERE source=?1 AND seq=?2", found.source.row,
                  seq);
  });
}

absl::Status SqliteCatalog::ForgetLeftover(const SourceId& source, std::uint64_t seq) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    return db.Run("DELETE FROM leftover WHERE source=?1 AND seq=?2", found.source.row, seq);
  });
}

}  // namespace holdfast::catalog
