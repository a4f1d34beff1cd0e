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

// 0: there is none.
absl::StatusOr<std::int64_t> FindPackNamed(SqliteDb& db, const PackName& name) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT row FROM pack WHERE name=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(name).Step());
  return found ? row.Integer(0) : 0;
}

// Two packs of the same bytes are one file: a copy that the collector began anew after it failed.
// What lies in the one lies in the other at the same places.
absl::Status MergeInto(SqliteDb& db, std::int64_t twin, std::int64_t pack_row) {
  RETURN_IF_ERROR(
      db.Run("UPDATE pack SET state=?3 WHERE row=?1 AND "
             "EXISTS(SELECT 1 FROM chunk WHERE pack=?2)",
             twin, pack_row, kPackSealed));
  RETURN_IF_ERROR(db.Run("UPDATE chunk SET pack=?1 WHERE pack=?2", twin, pack_row));
  RETURN_IF_ERROR(
      db.Run("INSERT OR IGNORE INTO touched(pack) SELECT row FROM pack WHERE row=?1 "
             "AND state=?2",
             twin, kPackSealed));
  return db.Run("UPDATE pack SET state=?2,size=0 WHERE row=?1", pack_row, kPackGivenUp);
}

absl::Status UnknownChunk(const ChunkId& id) {
  return Error(ErrorKind::kNotFound, 5020, fmt::format("unable to find chunk '{}'", id.hex()));
}

// A delta of a delta would not open, nor one of a chunk that is not there.
absl::Status ReplaceBases(SqliteDb& db, ChunkLookup& lookup, std::int64_t domain_row,
                          std::int64_t chunk_row, const std::vector<ChunkId>& bases) {
  RETURN_IF_ERROR(db.Run("DELETE FROM delta WHERE chunk=?1", chunk_row));
  for (std::size_t place = 0; place < bases.size(); ++place) {
    ASSIGN_OR_RETURN(const ChunkRow base, lookup.Find(domain_row, bases[place]));
    ASSIGN_OR_RETURN(Statement deltas, db.Prepare("SELECT 1 FROM delta WHERE chunk=?1"));
    ASSIGN_OR_RETURN(const bool is_delta, deltas.Bind(base.rid).Step());
    if (base.rid == 0 || base.state != kChunkLive || is_delta || base.rid == chunk_row) {
      return Error(ErrorKind::kIntegrity, 5066,
                   fmt::format("unable to store a delta: its base '{}' is {}", bases[place].hex(),
                               is_delta ? "itself a delta" : "not there"),
                   "Run the backup again.");
    }
    RETURN_IF_ERROR(db.Run("INSERT INTO delta(chunk,place,base) VALUES(?1,?2,?3)", chunk_row,
                           static_cast<std::int64_t>(place), base.rid));
  }
  return absl::OkStatus();
}

// The first of a delta's bases that is not LIVE.
absl::StatusOr<std::string> NameBadBase(SqliteDb& db, std::int64_t domain, const ChunkId& id) {
  ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
  ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(domain, id));
  ASSIGN_OR_RETURN(Statement row,
                   db.Prepare("SELECT b.id FROM delta d JOIN chunk b ON b.rid=d.base "
                              "WHERE d.chunk=?1 AND b.state<>1 ORDER BY d.place"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(chunk.rid).Step());
  return found ? ToHex(row.Blob(0)) : "";
}

absl::StatusOr<ChunkLocation> ReadLocation(SqliteDb& db, Statement& row, std::int64_t domain,
                                           const ChunkId& id) {
  row.Reset();
  ASSIGN_OR_RETURN(const bool found, row.Bind(id.view().substr(0, 8), id, domain).Step());
  if (!found) return UnknownChunk(id);
  if (row.Integer(0) == kChunkBaseBad) {
    ASSIGN_OR_RETURN(const std::string base, NameBadBase(db, domain, id));
    return Error(ErrorKind::kIntegrity, 5025,
                 fmt::format("unable to read chunk '{}': it is a delta, and the stored copy of its "
                             "base '{}' is lost or damaged",
                             id.hex(), base),
                 "The next backup sends it again if its source still has it.");
  }
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

absl::Status ReviveDeltasOf(SqliteDb& db, std::int64_t base_row) {
  return db.Run(
      "UPDATE chunk SET state=1 WHERE state=?2 AND rid IN (SELECT chunk FROM delta WHERE base=?1) "
      "AND NOT EXISTS(SELECT 1 FROM delta d LEFT JOIN chunk b ON b.rid=d.base "
      "WHERE d.chunk=chunk.rid AND ifnull(b.state,0)<>1)",
      base_row, kChunkBaseBad);
}

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

absl::Status SqliteCatalog::AddChunks(std::int64_t pack_row, const std::vector<PackEntry>& entries,
                                      const DeltaBases& bases) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const PackRow pack, FindPack(db, pack_row));
    if (pack.state != kPackOpen) return NotOpen(pack_row);
    ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
    std::uint64_t end = pack.size_bytes;
    for (const PackEntry& entry : entries) {
      end = std::max(end, entry.offset_bytes + entry.length_bytes);
      ASSIGN_OR_RETURN(ChunkRow chunk, lookup.Find(pack.domain_row, entry.id));
      if (chunk.rid != 0) {
        // The agent will rely on it.
        RETURN_IF_ERROR(Resurrect(db, chunk.rid).status());
        if (chunk.state == kChunkLive) continue;
      }
      const auto of = bases.find(entry.id);
      if (chunk.rid == 0) {
        RETURN_IF_ERROR(
            db.Run("INSERT INTO chunk(id,domain,pack,off,len,state) VALUES(?1,?2,?3,?4,?5,1)",
                   entry.id, pack.domain_row, pack_row, entry.offset_bytes, entry.length_bytes));
        chunk.rid = db.LastRow();
        if (switches_.uploads_are_candidates) {
          RETURN_IF_ERROR(db.Run("INSERT INTO cand(chunk) VALUES(?1)", chunk.rid));
        }
        if (of == bases.end()) continue;
      } else {
        // Whole again, for the snapshots that reference it already too.
        RETURN_IF_ERROR(db.Run(
            "INSERT OR IGNORE INTO touched(pack) SELECT pack FROM chunk WHERE rid=?1", chunk.rid));
        RETURN_IF_ERROR(db.Run("UPDATE chunk SET pack=?2,off=?3,len=?4,state=1 WHERE rid=?1",
                               chunk.rid, pack_row, entry.offset_bytes, entry.length_bytes));
        ++bases_changed_;
      }
      const std::vector<ChunkId> none;
      RETURN_IF_ERROR(ReplaceBases(db, lookup, pack.domain_row, chunk.rid,
                                   of == bases.end() ? none : of->second));
      RETURN_IF_ERROR(ReviveDeltasOf(db, chunk.rid));
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
    ASSIGN_OR_RETURN(const std::int64_t twin, FindPackNamed(db, name));
    if (twin != 0) return MergeInto(db, twin, pack_row);
    RETURN_IF_ERROR(db.Run("UPDATE pack SET name=?2,size=max(size,?3),state=?4 WHERE row=?1",
                           pack_row, name, size_bytes, kPackSealed));
    return db.Run("INSERT OR IGNORE INTO touched(pack) VALUES(?1)", pack_row);
  });
}

absl::Status SqliteCatalog::ForgetPack(std::int64_t pack_row) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const PackRow pack, FindPack(db, pack_row));
    if (pack.state == kPackSealed) return NotOpen(pack_row);
    // The deltas are read wholly; that is rare, and a pack that got no chunk is the common case.
    // Candidates that are no more are dropped when they are looked at.
    if (pack.size_bytes > 0) {
      RETURN_IF_ERROR(
          db.Run("DELETE FROM chunk WHERE pack=?1 AND "
                 "NOT EXISTS(SELECT 1 FROM span WHERE span.chunk=chunk.rid)",
                 pack_row));
      RETURN_IF_ERROR(db.Run("UPDATE chunk SET state=?2 WHERE pack=?1", pack_row, kChunkBad));
      RETURN_IF_ERROR(
          db.Run("DELETE FROM delta WHERE "
                 "NOT EXISTS(SELECT 1 FROM chunk WHERE chunk.rid=delta.chunk)"));
      RETURN_IF_ERROR(
          db.Run("UPDATE chunk SET state=?2 WHERE state=1 AND rid IN (SELECT d.chunk FROM delta d "
                 "LEFT JOIN chunk b ON b.rid=d.base WHERE b.rid IS NULL OR b.pack=?1)",
                 pack_row, kChunkBaseBad));
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

absl::Status SqliteCatalog::ForgetEmptyOpenPacks() {
  return Write([](SqliteDb& db) {
    return db.Run(
        "UPDATE pack SET state=?2,size=0 WHERE state=?1 AND "
        "NOT EXISTS(SELECT 1 FROM chunk WHERE chunk.pack=pack.row)",
        kPackOpen, kPackGivenUp);
  });
}

absl::StatusOr<std::vector<ChunkPresence>> SqliteCatalog::FindChunks(
    const DomainId& domain, const std::vector<ChunkId>& ids) {
  std::vector<std::pair<std::size_t, std::int64_t>> condemned;  // place in ids, row
  auto answer = Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<ChunkPresence>> {
    std::vector<ChunkPresence> found(ids.size());
    ASSIGN_OR_RETURN(const auto domain_row, FindDomain(db, domain));
    if (!domain_row) return found;
    ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(db));
    ASSIGN_OR_RETURN(Statement base,
                     db.Prepare("SELECT c.id FROM delta d JOIN chunk c "
                                "ON c.rid=d.base WHERE d.chunk=?1 ORDER BY d.place"));
    ASSIGN_OR_RETURN(Statement trash, db.Prepare("SELECT 1 FROM trash WHERE chunk=?1"));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSIGN_OR_RETURN(const ChunkRow chunk, lookup.Find(*domain_row, ids[i]));
      found[i].live = chunk.rid != 0 && chunk.state == kChunkLive;
      if (!found[i].live) continue;
      trash.Reset();
      ASSIGN_OR_RETURN(const bool in_trash, trash.Bind(chunk.rid).Step());
      if (in_trash) condemned.emplace_back(i, chunk.rid);
      base.Reset();
      base.Bind(chunk.rid);
      for (;;) {
        ASSIGN_OR_RETURN(const bool more, base.Step());
        if (!more) break;
        ASSIGN_OR_RETURN(const ChunkId id, base.Id<ChunkId>(0));
        found[i].bases.push_back(id);
      }
    }
    return found;
  });
  if (!answer.ok() || condemned.empty()) return answer;
  RETURN_IF_ERROR(Write([&](SqliteDb& db) -> absl::Status {
    for (const auto& [place, row] : condemned) {
      ASSIGN_OR_RETURN(const bool there, Resurrect(db, row));
      if (!there) (*answer)[place] = {};
    }
    return absl::OkStatus();
  }));
  return answer;
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
      ASSIGN_OR_RETURN(ChunkLocation location, ReadLocation(db, row, *domain_row, id));
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
    RETURN_IF_ERROR(db.Run("UPDATE chunk SET state=?2 WHERE rid=?1", chunk.rid, kChunkBad));
    return db.Run(
        "UPDATE chunk SET state=?2 WHERE state=1 AND rid IN (SELECT chunk FROM delta WHERE "
        "base=?1)",
        chunk.rid, kChunkBaseBad);
  });
}

}  // namespace holdfast::catalog
