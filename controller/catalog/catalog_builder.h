// Makes a catalog anew from what the store says: packs first, then sources, then their snapshots in
// order.
//
// Hides:      SQL, spans, placeholders for what is lost, the digest of each set.
// Invariants: I1  The file is a catalog of this schema after Finish, and only then: a builder that
//                 is destroyed before leaves a file that nobody may use.
//             I2  A chunk that a snapshot references has a row: LIVE when an undamaged object was
//                 added, else BAD, so that the next backup sends it again.
//             I3  A chunk that no snapshot references has no row: nobody was promised more of it
//                 than STORED within a run that has ended, and after power loss its bytes may not
//                 be what they seem.
//             I4  A snapshot whose set is not known references every chunk of its domain: nothing
//                 that it may need is ever collected.
// Threading:  one thread.
// Errors:     as catalog.h.
#pragma once

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/env/env.h"
#include "common/format/settings.h"
#include "controller/catalog/audit.h"
#include "controller/catalog/catalog_rows.h"
#include "controller/catalog/set_digest.h"
#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

struct FoundPack {
  DomainId domain;
  PackName name;
  std::uint64_t size_bytes = 0;
};

struct FoundChunk {
  ChunkId id;
  std::uint64_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
  std::vector<ChunkId> bases;
};

struct FoundSnapshot {
  SnapshotRow row;  // source, agent and domain are the source's own; chunk_count is found out
  Bytes run_id;     // 16
};

// A retention policy under which nothing expires.
inline constexpr char kKeepEverything[] = "within=36500d";
inline constexpr char kRetentionTable[] = "retention";  // of SettingTables

class CatalogBuilder {
 public:
  // `path` must not exist yet.
  static absl::StatusOr<std::unique_ptr<CatalogBuilder>> Create(Env env, const std::string& path,
                                                                ByteView controller_id);

  absl::Status SetOwner(const PublicKey& owner, ByteView recipients, std::uint64_t version);
  absl::Status AddAgent(const AgentRow& agent);
  absl::Status AddPack(const FoundPack& pack, const std::vector<FoundChunk>& chunks);

  // What follows belongs to this source, until EndSource. `highest_seq` was used, kept or not.
  absl::Status BeginSource(const SourceRow& source, std::uint64_t highest_seq);
  // The set becomes that of a reference list. With `full` the list is the whole set.
  absl::Status ApplyFull(const std::vector<ChunkId>& ids);
  absl::Status ApplyDifference(const std::vector<ChunkId>& added,
                               const std::vector<ChunkId>& removed);
  absl::Status ApplyUnknown();  // I4
  // Everything added is in a pack, everything removed in the set.
  absl::StatusOr<bool> Fits(const std::vector<ChunkId>& added, const std::vector<ChunkId>& removed);
  // A snapshot with the set as it is now. Seqs ascend.
  absl::Status Keep(const FoundSnapshot& snapshot);
  absl::Status EndSource();

  // After the sources: what operators had set by command. Of a policy of retention only what is
  // imported here lets anything expire. A row of a source that is not there is left out.
  struct Imported {
    std::map<std::string, std::uint64_t> rows;  // by table
    std::uint64_t left_out = 0;
  };
  absl::StatusOr<Imported> ImportSettings(const SettingTables& tables);
  absl::Status NoteRebuild(const AuditEntry& entry);  // behind what was imported

  struct Counts {
    std::uint64_t chunks = 0;        // with a row
    std::uint64_t lost_chunks = 0;   // of these: not LIVE
    std::uint64_t unreferenced = 0;  // I3: left out
  };
  absl::StatusOr<Counts> Finish();

 private:
  explicit CatalogBuilder(std::unique_ptr<SqliteDb> db) : db_(std::move(db)) {}

  absl::StatusOr<std::int64_t> DomainRow(const DomainId& domain);
  absl::StatusOr<std::int64_t> FindRow(std::int64_t domain_row, const ChunkId& id);  // 0: none
  absl::StatusOr<std::int64_t> RowOf(std::int64_t domain_row, const ChunkId& id);
  absl::StatusOr<std::int64_t> LostPack(std::int64_t domain_row);
  absl::Status Enter(const ChunkId& id);
  absl::Status Leave(std::int64_t row);
  absl::Status ResolveBases();
  absl::StatusOr<std::uint64_t> RemoveUnreferenced();
  absl::Status CommitWhenLarge();

  struct Current {
    std::int64_t row = 0;
    std::int64_t agent_row = 0;
    std::int64_t domain_row = 0;
    std::uint64_t head = 0;
    absl::flat_hash_set<std::int64_t> members;               // of the list applied last
    absl::flat_hash_set<std::int64_t> touched;               // since the last snapshot kept
    absl::flat_hash_map<std::int64_t, std::uint64_t> since;  // open spans and where they begin
    SetDigest digest;
  };

  std::unique_ptr<SqliteDb> db_;
  std::unique_ptr<Transaction> transaction_;  // everything is written inside one or the next
  std::uint64_t changes_ = 0;                 // of it
  std::int64_t next_number_ = -1;             // open numbers of packs that never were open here
  absl::flat_hash_map<std::int64_t, std::int64_t> lost_packs_;  // domain to pack row
  Current current_;
};

}  // namespace holdfast::catalog
