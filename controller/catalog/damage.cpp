// Packs as a whole, chunks that turned out bad or whole again, and the snapshots that need them.
#include "controller/catalog/damage.h"

#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

absl::StatusOr<std::int64_t> SealedRow(SqliteDb& db, const PackName& name) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT row FROM pack WHERE name=?1 AND state=2"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(name).Step());
  if (found) return row.Integer(0);
  return Error(ErrorKind::kNotFound, 5064, fmt::format("unable to find pack '{}'", name.hex()));
}

absl::StatusOr<std::vector<PlacedChunk>> ReadPlaces(Statement row) {
  std::vector<PlacedChunk> chunks;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return chunks;
    ASSIGN_OR_RETURN(const ChunkId id, row.Id<ChunkId>(0));
    chunks.push_back({id, row.Unsigned(1), static_cast<std::uint32_t>(row.Integer(2))});
  }
}

}  // namespace

absl::StatusOr<std::vector<SealedPack>> SqliteCatalog::ListPacks() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<SealedPack>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT name,size FROM pack WHERE state=2 ORDER BY name"));
    std::vector<SealedPack> packs;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return packs;
      ASSIGN_OR_RETURN(const PackName name, row.Id<PackName>(0));
      packs.push_back({name, row.Unsigned(1)});
    }
  });
}

// Without an index on the pack this reads the whole table: asked for when a pack is damaged only.
absl::StatusOr<std::vector<PlacedChunk>> SqliteCatalog::LiveChunksOf(const PackName& name) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<PlacedChunk>> {
    ASSIGN_OR_RETURN(const std::int64_t pack_row, SealedRow(db, name));
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT id,off,len FROM chunk WHERE pack=?1 AND "
                                               "state IN (1,3) ORDER BY off"));
    row.Bind(pack_row);
    return ReadPlaces(std::move(row));
  });
}

absl::StatusOr<std::vector<PlacedChunk>> SqliteCatalog::BadChunksOf(const PackName& name) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<PlacedChunk>> {
    ASSIGN_OR_RETURN(const std::int64_t pack_row, SealedRow(db, name));
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT id,off,len FROM chunk INDEXED BY chunk_not_live WHERE "
                                "state<>1 AND state=2 AND pack=?1 ORDER BY off"));
    row.Bind(pack_row);
    return ReadPlaces(std::move(row));
  });
}

absl::Status SqliteCatalog::MarkBadIn(const PackName& name, const std::vector<ChunkId>& ids) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const std::int64_t pack_row, SealedRow(db, name));
    for (const ChunkId& id : ids) {
      // One that was stored again, or moved to another pack meanwhile, is not touched.
      RETURN_IF_ERROR(
          db.Run("UPDATE chunk SET state=2 WHERE substr(id,1,8)=?1 AND id=?2 AND pack=?3",
                 id.view().substr(0, 8), id, pack_row));
      RETURN_IF_ERROR(
          db.Run("UPDATE chunk SET state=3 WHERE state=1 AND rid IN (SELECT d.chunk FROM delta d "
                 "JOIN chunk b ON b.rid=d.base WHERE substr(b.id,1,8)=?1 AND b.id=?2 AND "
                 "b.pack=?3 AND b.state=2)",
                 id.view().substr(0, 8), id, pack_row));
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteCatalog::ReviveIn(const PackName& name, const std::vector<ChunkId>& ids) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const std::int64_t pack_row, SealedRow(db, name));
    for (const ChunkId& id : ids) {
      std::int64_t row = 0;
      {
        ASSIGN_OR_RETURN(Statement chunk,
                         db.Prepare("SELECT rid FROM chunk WHERE substr(id,1,8)=?1 AND id=?2 AND "
                                    "pack=?3 AND state=2"));
        ASSIGN_OR_RETURN(const bool found, chunk.Bind(id.view().substr(0, 8), id, pack_row).Step());
        if (!found) continue;
        row = chunk.Integer(0);
      }
      // A delta is LIVE only with all of its bases.
      RETURN_IF_ERROR(
          db.Run("UPDATE chunk SET state=CASE WHEN EXISTS(SELECT 1 FROM delta d LEFT JOIN chunk b "
                 "ON b.rid=d.base WHERE d.chunk=?1 AND ifnull(b.state,0)<>1) THEN 3 ELSE 1 END "
                 "WHERE rid=?1",
                 row));
      RETURN_IF_ERROR(ReviveDeltasOf(db, row));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<DamagedSource>> SqliteCatalog::ListDamage() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<DamagedSource>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT o.id,o.name,n.seq,count(DISTINCT c.rid) FROM chunk c INDEXED BY "
                   "chunk_not_live CROSS JOIN span s ON s.chunk=c.rid CROSS JOIN snapshot n ON "
                   "n.source=s.source AND n.seq>=s.first AND (s.last=0 OR n.seq<=s.last) "
                   "CROSS JOIN source o ON o.row=s.source WHERE c.state<>1 GROUP BY o.row,n.seq "
                   "ORDER BY o.name,o.row,n.seq"));
    std::vector<DamagedSource> sources;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return sources;
      ASSIGN_OR_RETURN(const SourceId id, row.Id<SourceId>(0));
      if (sources.empty() || sources.back().id != id) sources.push_back({id, row.Blob(1), 0, {}});
      DamagedSource& source = sources.back();
      source.seqs.push_back(row.Unsigned(2));
      source.chunks = std::max(source.chunks, row.Unsigned(3));
    }
  });
}

}  // namespace holdfast::catalog
