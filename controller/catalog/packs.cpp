// Packs and chunks.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

struct PackRow {
  std::int64_t domain_row = 0;
  int state = 0;
  Bytes name;
  std::uint64_t size_bytes = 0;
};

absl::StatusOr<PackRow> FindPack(SqliteDb& db, std::int64_t pack_row) {
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare("SELECT domain,state,name,size FROM pack WHERE row=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(pack_row).Step());
  if (!found) {
    return Error(ErrorKind::kNotFound, 5064, fmt::format("unable to find pack {}", pack_row));
  }
  return PackRow{row.Integer(0), static_cast<int>(row.Integer(1)), row.Blob(2), row.Unsigned(3)};
}

absl::Status NotOpen(std::int64_t pack_row) {
  return Error(ErrorKind::kConflict, 5065,
               fmt::format("unable to change pack {}: it is not open any more", pack_row));
}

absl::StatusOr<std::int64_t> DomainRow(SqliteDb& db, const DomainId& domain) {
  ASSIGN_OR_RETURN(const auto row, FindDomain(db, domain));
  if (row) return *row;
  RETURN_IF_ERROR(db.Run("INSERT INTO domain(id) VALUES(?1)", domain));
  return db.LastRow();
}

absl::Status UnknownChunk(const ChunkId& id) {
  return Error(ErrorKind::kNotFound, 5020, fmt::format("unable to find chunk '{}'", id.hex()));
}

absl::StatusOr<ChunkLocation> ReadLocation(Statement& row, std::int64_t domain, const ChunkId& id) {
  row.Reset();
  ASSIGN_OR_RETURN(const bool found, row.Bind(id.view().substr(0, 8), id, domain).Step());
  if (!found) return UnknownChunk(id);
  if (row.Integer(0) != kChunkLive) {
    return Error(
        ErrorKind::kIntegrity, 5025,
        fmt::format("unable to read chunk '{}': its stored copy is lost or damaged", id.hex()),
        "The next backup sends it again if its source still has it.");
  }
  ChunkLocation location;
  location.pack.pack_row = row.Integer(1);
  location.pack.open_number = row.Unsigned(2);
  if (!row.IsNull(3)) {
    ASSIGN_OR_RETURN(location.pack.name, row.Id<PackName>(3));
  }
  location.offset_bytes = row.Unsigned(4);
  location.length_bytes = static_cast<std::uint32_t>(row.Integer(5));
  return location;
}

}  // namespace

absl::StatusOr<std::optional<std::int64_t>> FindDomain(SqliteDb& db, const DomainId& domain) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT row FROM domain WHERE id=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(domain).Step());
  if (!found) return std::nullopt;
  return row.Integer(0);
}

absl::StatusOr<ChunkLookup> ChunkLookup::Prepare(SqliteDb& db) {
  ASSIGN_OR_RETURN(Statement statement,
                   db.Prepare("SELECT rid,state FROM chunk "
                              "WHERE substr(id,1,8)=?1 AND id=?2 AND domain=?3"));
  return ChunkLookup(std::move(statement));
}

absl::StatusOr<ChunkRow> ChunkLookup::Find(std::int64_t domain_row, const ChunkId& id) {
  statement_.Reset();
  statement_.Bind(id.view().substr(0, 8), id, domain_row);
  ASSIGN_OR_RETURN(const bool found, statement_.Step());
  if (!found) return ChunkRow();
  return ChunkRow{statement_.Integer(0), static_cast<int>(statement_.Integer(1))};
}

absl::StatusOr<std::int64_t> SqliteCatalog::AddOpenPack(const DomainId& domain,
                                                        std::uint64_t open_number) {
  return Write([&](SqliteDb& db) -> absl::StatusOr<std::int64_t> {
    ASSIGN_OR_RETURN(const std::int64_t domain_row, DomainRow(db, domain));
    RETURN_IF_ERROR(db.Run("INSERT INTO pack(domain,open_number,state) VALUES(?1,?2,?3)",
                           domain_row, open_number, kPackOpen));
    return db.LastRow();
  });
}

absl::Status SqliteCatalog::AddChunks(std::int64_t pack_row,
                                      const std::vector<PackEntry>& entries) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const PackRow pack, FindPack(db, pack_row));
    if (pack.state != kPackOpen) return NotOpen(pack_row);
    ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
    std::uint64_t end = pack.size_bytes;
    for (const PackEntry& entry : entries) {
      end = std::max(end, entry.offset_bytes + entry.length_bytes);
      ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(pack.domain_row, entry.id));
      if (chunk.rid == 0) {
        RETURN_IF_ERROR(
            db.Run("INSERT INTO chunk(id,domain,pack,off,len,state) VALUES(?1,?2,?3,?4,?5,1)",
                   entry.id, pack.domain_row, pack_row, entry.offset_bytes, entry.length_bytes));
      } else if (chunk.state != kChunkLive) {
        // Whole again, for the snapshots that reference it already too.
        RETURN_IF_ERROR(db.Run("UPDATE chunk SET pack=?2,off=?3,len=?4,state=1 WHERE rid=?1",
                               chunk.rid, pack_row, entry.offset_bytes, entry.length_bytes));
      }
    }
    return db.Run("UPDATE pack SET size=?2 WHERE row=?1", pack_row, end);
  });
}

absl::Status SqliteCatalog::FinishPack(std::int64_t pack_row, const PackName& name,
                                       std::uint64_t size_bytes) {
  HOLDFAST_CHECK(!name.IsZero());
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const PackRow pack, FindPack(db, pack_row));
    if (pack.state == kPackSealed && pack.name == name.view()) return absl::OkStatus();
    if (pack.state != kPackOpen) return NotOpen(pack_row);
    return db.Run("UPDATE pack SET name=?2,size=?3,state=?4 WHERE row=?1", pack_row, name,
                  size_bytes, kPackSealed);
  });
}

absl::Status SqliteCatalog::ForgetPack(std::int64_t pack_row) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const PackRow pack, FindPack(db, pack_row));
    if (pack.state == kPackSealed) return NotOpen(pack_row);
    // Without an index on the pack these read the whole table; they are rare, and a pack that got
    // no chunk is the common case.
    if (pack.size_bytes > 0) {
      RETURN_IF_ERROR(
          db.Run("DELETE FROM chunk WHERE pack=?1 AND "
                 "NOT EXISTS(SELECT 1 FROM span WHERE span.chunk=chunk.rid)",
                 pack_row));
      RETURN_IF_ERROR(db.Run("UPDATE chunk SET state=?2 WHERE pack=?1", pack_row, kChunkBad));
    }
    return db.Run("UPDATE pack SET state=?2,size=0 WHERE row=?1", pack_row, kPackGivenUp);
  });
}

absl::StatusOr<std::optional<std::int64_t>> SqliteCatalog::FindOpenPack(std::uint64_t open_number) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::optional<std::int64_t>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT row FROM pack WHERE open_number=?1 AND state=1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(open_number).Step());
    if (!found) return std::nullopt;
    return row.Integer(0);
  });
}

absl::StatusOr<std::vector<bool>> SqliteCatalog::HasChunks(const DomainId& domain,
                                                           const std::vector<ChunkId>& ids) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<bool>> {
    std::vector<bool> has(ids.size());
    ASSIGN_OR_RETURN(const auto domain_row, FindDomain(db, domain));
    if (!domain_row) return has;
    ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(*domain_row, ids[i]));
      has[i] = chunk.rid != 0 && chunk.state == kChunkLive;
    }
    return has;
  });
}

absl::StatusOr<std::vector<ChunkLocation>> SqliteCatalog::Locate(const DomainId& domain,
                                                                 const std::vector<ChunkId>& ids) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<ChunkLocation>> {
    std::vector<ChunkLocation> locations;
    if (ids.empty()) return locations;
    ASSIGN_OR_RETURN(const auto domain_row, FindDomain(db, domain));
    if (!domain_row) return UnknownChunk(ids.front());
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT c.state,p.row,p.open_number,p.name,c.off,c.len FROM chunk c "
                   "JOIN pack p ON p.row=c.pack "
                   "WHERE substr(c.id,1,8)=?1 AND c.id=?2 AND c.domain=?3"));
    locations.reserve(ids.size());
    for (const ChunkId& id : ids) {
      ASSIGN_OR_RETURN(ChunkLocation location, ReadLocation(row, *domain_row, id));
      locations.push_back(std::move(location));
    }
    return locations;
  });
}

absl::Status SqliteCatalog::MarkBad(const DomainId& domain, const ChunkId& id) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const auto domain_row, FindDomain(db, domain));
    if (!domain_row) return UnknownChunk(id);
    ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
    ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(*domain_row, id));
    if (chunk.rid == 0) return UnknownChunk(id);
    return db.Run("UPDATE chunk SET state=?2 WHERE rid=?1", chunk.rid, kChunkBad);
  });
}

}  // namespace holdfast::catalog
