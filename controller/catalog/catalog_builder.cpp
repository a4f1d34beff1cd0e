#include "controller/catalog/catalog_builder.h"

#include <algorithm>

#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr std::uint64_t kChangesPerTransaction = 100'000;

// The bases of deltas, by id: a base may come in a later pack than its delta.
constexpr char kPending[] =
    "CREATE TABLE pending_base(chunk INT, place INT, domain INT, base BLOB NOT NULL, "
    "PRIMARY KEY(chunk,place)) WITHOUT ROWID";

absl::Status UnknownOwner(const AgentId& id) {
  return Error(ErrorKind::kNotFound, 5021, fmt::format("unable to find agent '{}'", id.hex()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<CatalogBuilder>> CatalogBuilder::Create(Env env,
                                                                       const std::string& path,
                                                                       ByteView controller_id) {
  RETURN_IF_ERROR(env.fs.Create(path).status());
  ASSIGN_OR_RETURN(auto db, SqliteDb::Open(path, SqliteDb::Mode::kWriter));
  RETURN_IF_ERROR(Migrate(*db));
  std::unique_ptr<CatalogBuilder> builder(new CatalogBuilder(std::move(db)));
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::BeginWrite(*builder->db_));
  builder->transaction_ = std::make_unique<Transaction>(std::move(transaction));
  RETURN_IF_ERROR(builder->db_->Execute(kPending));
  RETURN_IF_ERROR(builder->db_->Run("INSERT INTO installation(id,controller_id) VALUES(1,?1)",
                                    Bytes(controller_id)));
  return builder;
}

absl::Status CatalogBuilder::CommitWhenLarge() {
  if (++changes_ < kChangesPerTransaction) return absl::OkStatus();
  changes_ = 0;
  RETURN_IF_ERROR(transaction_->Commit());
  ASSIGN_OR_RETURN(Transaction next, Transaction::BeginWrite(*db_));
  transaction_ = std::make_unique<Transaction>(std::move(next));
  return absl::OkStatus();
}

absl::Status CatalogBuilder::SetOwner(const PublicKey& owner, ByteView recipients,
                                      std::uint64_t version) {
  return db_->Run("UPDATE installation SET owner=?1,recipients=?2,recipients_version=?3", owner,
                  Bytes(recipients), version);
}

absl::Status CatalogBuilder::AddAgent(const AgentRow& agent) {
  return db_->Run(
      "INSERT INTO agent(id,name,domain,key_pin,certificate_not_after,removed,enrolled_at,"
      "last_seen,clock_skew,host,version) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
      agent.id, agent.name, agent.domain, agent.key_pin, agent.certificate_not_after_ms,
      agent.removed, agent.enrolled_at_ms, agent.last_seen_ms, agent.clock_skew_ms, agent.host,
      agent.software_version);
}

absl::StatusOr<std::int64_t> CatalogBuilder::DomainRow(const DomainId& domain) {
  ASSIGN_OR_RETURN(const auto row, FindDomain(*db_, domain));
  if (row) return *row;
  RETURN_IF_ERROR(db_->Run("INSERT INTO domain(id) VALUES(?1)", domain));
  return db_->LastRow();
}

absl::Status CatalogBuilder::AddPack(const FoundPack& pack, const std::vector<FoundChunk>& chunks) {
  ASSIGN_OR_RETURN(const std::int64_t domain_row, DomainRow(pack.domain));
  RETURN_IF_ERROR(
      db_->Run("INSERT INTO pack(domain,open_number,name,size,state) VALUES(?1,?2,?3,?4,?5)",
               domain_row, next_number_--, pack.name, pack.size_bytes, kPackSealed));
  const std::int64_t pack_row = db_->LastRow();
  for (const FoundChunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const std::int64_t there, FindRow(domain_row, chunk.id));
    if (there != 0) continue;  // the same chunk in two packs: one is enough
    RETURN_IF_ERROR(
        db_->Run("INSERT INTO chunk(id,domain,pack,off,len,state) VALUES(?1,?2,?3,?4,?5,1)",
                 chunk.id, domain_row, pack_row, chunk.offset_bytes, chunk.length_bytes));
    const std::int64_t row = db_->LastRow();
    for (std::size_t place = 0; place < chunk.bases.size(); ++place) {
      RETURN_IF_ERROR(
          db_->Run("INSERT INTO pending_base(chunk,place,domain,base) VALUES(?1,?2,?3,?4)", row,
                   static_cast<std::int64_t>(place), domain_row, chunk.bases[place]));
    }
    RETURN_IF_ERROR(CommitWhenLarge());
  }
  return absl::OkStatus();
}

// Stands for the packs that are gone, so that their chunks have a place that never reads.
absl::StatusOr<std::int64_t> CatalogBuilder::LostPack(std::int64_t domain_row) {
  std::int64_t& row = lost_packs_[domain_row];
  if (row == 0) {
    RETURN_IF_ERROR(db_->Run("INSERT INTO pack(domain,open_number,state) VALUES(?1,?2,?3)",
                             domain_row, next_number_--, kPackGivenUp));
    row = db_->LastRow();
  }
  return row;
}

absl::StatusOr<std::int64_t> CatalogBuilder::FindRow(std::int64_t domain_row, const ChunkId& id) {
  ASSIGN_OR_RETURN(ChunkLookup lookup, ChunkLookup::Prepare(*db_));
  ASSIGN_OR_RETURN(const ChunkRow there, lookup.Find(domain_row, id));
  return there.rid;
}

absl::StatusOr<std::int64_t> CatalogBuilder::RowOf(std::int64_t domain_row, const ChunkId& id) {
  ASSIGN_OR_RETURN(const std::int64_t there, FindRow(domain_row, id));
  if (there != 0) return there;
  ASSIGN_OR_RETURN(const std::int64_t pack_row, LostPack(domain_row));
  RETURN_IF_ERROR(
      db_->Run("INSERT INTO chunk(id,domain,pack,off,len,state) VALUES(?1,?2,?3,0,0,?4)", id,
               domain_row, pack_row, kChunkBad));
  return db_->LastRow();
}

absl::Status CatalogBuilder::BeginSource(const SourceRow& source, std::uint64_t highest_seq) {
  current_ = Current();
  {
    ASSIGN_OR_RETURN(Statement agent, db_->Prepare("SELECT row,domain FROM agent WHERE id=?1"));
    ASSIGN_OR_RETURN(const bool found, agent.Bind(source.agent).Step());
    if (!found) return UnknownOwner(source.agent);
    current_.agent_row = agent.Integer(0);
    ASSIGN_OR_RETURN(const DomainId domain, agent.Id<DomainId>(1));
    ASSIGN_OR_RETURN(current_.domain_row, DomainRow(domain));
  }
  RETURN_IF_ERROR(db_->Run("INSERT INTO source(id,agent,name,kind,max_seq) VALUES(?1,?2,?3,?4,?5)",
                           source.id, current_.agent_row, source.name, source.kind, highest_seq));
  current_.row = db_->LastRow();
  return absl::OkStatus();
}

absl::Status CatalogBuilder::Enter(const ChunkId& id) {
  ASSIGN_OR_RETURN(const std::int64_t row, RowOf(current_.domain_row, id));
  if (!current_.members.insert(row).second) return absl::OkStatus();
  current_.touched.insert(row);
  current_.digest.Add(id);
  return absl::OkStatus();
}

absl::Status CatalogBuilder::Leave(std::int64_t row) {
  if (current_.members.erase(row) == 0) return absl::OkStatus();
  current_.touched.insert(row);
  ASSIGN_OR_RETURN(Statement chunk, db_->Prepare("SELECT id FROM chunk WHERE rid=?1"));
  RETURN_IF_ERROR(chunk.Bind(row).Step().status());
  ASSIGN_OR_RETURN(const ChunkId id, chunk.Id<ChunkId>(0));
  current_.digest.Remove(id);
  return absl::OkStatus();
}

absl::Status CatalogBuilder::ApplyFull(const std::vector<ChunkId>& ids) {
  absl::flat_hash_set<std::int64_t> listed;
  listed.reserve(ids.size());
  for (const ChunkId& id : ids) {
    ASSIGN_OR_RETURN(const std::int64_t row, RowOf(current_.domain_row, id));
    listed.insert(row);
    if (!current_.members.contains(row)) RETURN_IF_ERROR(Enter(id));
  }
  std::vector<std::int64_t> gone;
  for (const std::int64_t row : current_.members) {
    if (!listed.contains(row)) gone.push_back(row);
  }
  for (const std::int64_t row : gone) RETURN_IF_ERROR(Leave(row));
  return absl::OkStatus();
}

absl::Status CatalogBuilder::ApplyDifference(const std::vector<ChunkId>& added,
                                             const std::vector<ChunkId>& removed) {
  for (const ChunkId& id : added) RETURN_IF_ERROR(Enter(id));
  for (const ChunkId& id : removed) {
    ASSIGN_OR_RETURN(const std::int64_t row, RowOf(current_.domain_row, id));
    RETURN_IF_ERROR(Leave(row));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CatalogBuilder::Fits(const std::vector<ChunkId>& added,
                                          const std::vector<ChunkId>& removed) {
  for (const ChunkId& id : added) {
    ASSIGN_OR_RETURN(const std::int64_t row, FindRow(current_.domain_row, id));
    if (row == 0) return false;
  }
  for (const ChunkId& id : removed) {
    ASSIGN_OR_RETURN(const std::int64_t row, FindRow(current_.domain_row, id));
    if (!current_.members.contains(row)) return false;
  }
  return true;
}

absl::Status CatalogBuilder::ApplyUnknown() {
  std::vector<ChunkId> all;
  {
    ASSIGN_OR_RETURN(Statement chunk, db_->Prepare("SELECT id FROM chunk WHERE domain=?1"));
    chunk.Bind(current_.domain_row);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, chunk.Step());
      if (!more) break;
      ASSIGN_OR_RETURN(const ChunkId id, chunk.Id<ChunkId>(0));
      all.push_back(id);
    }
  }
  return ApplyFull(all);
}

absl::Status CatalogBuilder::Keep(const FoundSnapshot& found) {
  const SnapshotRow& row = found.row;
  HOLDFAST_CHECK(row.seq > current_.head);
  for (const std::int64_t chunk : current_.touched) {
    const bool member = current_.members.contains(chunk);
    const auto open = current_.since.find(chunk);
    if (member && open == current_.since.end()) current_.since[chunk] = row.seq;
    if (!member && open != current_.since.end()) {
      RETURN_IF_ERROR(db_->Run("INSERT INTO span(chunk,source,first,last) VALUES(?1,?2,?3,?4)",
                               chunk, current_.row, open->second, current_.head));
      current_.since.erase(open);
      RETURN_IF_ERROR(CommitWhenLarge());
    }
  }
  current_.touched.clear();
  current_.head = row.seq;
  return db_->Run(
      "INSERT INTO snapshot(source,seq,state,run_id,snapshot_id,agent,taken_at,committed_at,"
      "partial,content_bytes,entry_count,stored_bytes,chunk_count,duration_ms,verified_at,digest) "
      "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,0,?15)",
      current_.row, row.seq, kSnapshotCommitted, found.run_id, row.snapshot_id, current_.agent_row,
      row.taken_at_ms, row.committed_at_ms, row.partial, row.content_bytes, row.entry_count,
      row.stored_bytes, static_cast<std::uint64_t>(current_.members.size()), row.duration_ms,
      current_.digest.bytes());
}

absl::Status CatalogBuilder::EndSource() {
  std::vector<std::pair<std::int64_t, std::uint64_t>> open(current_.since.begin(),
                                                           current_.since.end());
  std::sort(open.begin(), open.end());
  for (const auto& [chunk, first] : open) {
    RETURN_IF_ERROR(db_->Run("INSERT INTO span(chunk,source,first,last) VALUES(?1,?2,?3,0)", chunk,
                             current_.row, first));
    RETURN_IF_ERROR(CommitWhenLarge());
  }
  // What an operator had asked to keep is not in the store: nothing goes until he says so anew.
  RETURN_IF_ERROR(db_->Run("INSERT INTO retention(source,policy) VALUES(?1,?2)", current_.row,
                           ByteView(kKeepEverything)));
  return db_->Run("UPDATE source SET head=?2,max_seq=max(max_seq,?2) WHERE row=?1", current_.row,
                  current_.head);
}

// Bases by id become rows; a base that no pack holds gets the row of a lost chunk.
absl::Status CatalogBuilder::ResolveBases() {
  struct Missing {
    std::int64_t domain_row;
    ChunkId id;
  };
  std::vector<Missing> missing;
  {
    ASSIGN_OR_RETURN(Statement row,
                     db_->Prepare("SELECT DISTINCT p.domain,p.base FROM pending_base p WHERE NOT "
                                  "EXISTS(SELECT 1 FROM chunk c WHERE substr(c.id,1,8)="
                                  "substr(p.base,1,8) AND c.id=p.base AND c.domain=p.domain)"));
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) break;
      ASSIGN_OR_RETURN(const ChunkId id, row.Id<ChunkId>(1));
      missing.push_back({row.Integer(0), id});
    }
  }
  for (const Missing& base : missing) RETURN_IF_ERROR(RowOf(base.domain_row, base.id).status());
  return db_->Run(
      "INSERT INTO delta(chunk,place,base) SELECT p.chunk,p.place,c.rid FROM pending_base p "
      "JOIN chunk c ON substr(c.id,1,8)=substr(p.base,1,8) AND c.id=p.base AND "
      "c.domain=p.domain");
}

absl::StatusOr<std::uint64_t> CatalogBuilder::RemoveUnreferenced() {
  constexpr char kNoSpan[] =
      "DELETE FROM chunk WHERE NOT EXISTS(SELECT 1 FROM span WHERE span.chunk=chunk.rid)";
  RETURN_IF_ERROR(db_->Run(kNoSpan));
  const auto removed = static_cast<std::uint64_t>(db_->Changes());
  RETURN_IF_ERROR(db_->Run(
      "DELETE FROM delta WHERE NOT EXISTS(SELECT 1 FROM chunk WHERE chunk.rid=delta.chunk)"));
  // Also a delta whose base was no member of any set: nobody could open it.
  RETURN_IF_ERROR(
      db_->Run("UPDATE chunk SET state=?1 WHERE state=1 AND rid IN (SELECT d.chunk FROM delta d "
               "LEFT JOIN chunk b ON b.rid=d.base WHERE ifnull(b.state,0)<>1)",
               kChunkBaseBad));
  return removed;
}

absl::StatusOr<CatalogBuilder::Counts> CatalogBuilder::Finish() {
  RETURN_IF_ERROR(ResolveBases());
  Counts counts;
  ASSIGN_OR_RETURN(counts.unreferenced, RemoveUnreferenced());
  RETURN_IF_ERROR(db_->Execute("DROP TABLE pending_base"));
  // How much of each pack is in use is for the collector to find out.
  RETURN_IF_ERROR(
      db_->Run("INSERT OR IGNORE INTO touched SELECT row FROM pack WHERE state=?1", kPackSealed));
  {
    ASSIGN_OR_RETURN(Statement row, db_->Prepare("SELECT (SELECT count(*) FROM chunk),"
                                                 "(SELECT count(*) FROM chunk WHERE state<>1)"));
    RETURN_IF_ERROR(row.Step().status());
    counts.chunks = row.Unsigned(0);
    counts.lost_chunks = row.Unsigned(1);
  }
  RETURN_IF_ERROR(transaction_->Commit());
  transaction_.reset();
  // Everything into the one file, synced; closing then removes what stands beside it.
  RETURN_IF_ERROR(db_->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  db_.reset();
  return counts;
}

}  // namespace holdfast::catalog
