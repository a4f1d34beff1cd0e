#include "controller/catalog/schema.h"

#include "common/base/error.h"
#include "controller/catalog/migration_4.h"
#include "controller/catalog/migration_6.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr std::int64_t kApplicationId = 0x48464341;  // "HFCA"

// Version 1. In short:
//   chunk      id is looked up through an index on its first 8 bytes, which is half as large as one
//              on the whole id. base is not used: a delta has up to three, see version 2.
//   span       chunk is in the source's snapshots first … last; last = 0: still in the newest one.
//              Row ids, not ids, so that a span is 31 bytes with its index.
//   source     committing <> 0: a commit of that seq is under way or was cut off; its spans are
//              rolled back before the next one.
constexpr char kVersion1[] = R"sql(
CREATE TABLE installation(id INTEGER PRIMARY KEY CHECK(id=1), controller_id BLOB NOT NULL,
  owner BLOB, recipients BLOB, recipients_version INT NOT NULL DEFAULT 0);
CREATE TABLE agent(row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
  name BLOB NOT NULL, domain BLOB, key_pin BLOB NOT NULL, certificate_not_after INT NOT NULL,
  removed INT NOT NULL DEFAULT 0, enrolled_at INT NOT NULL, last_seen INT NOT NULL,
  clock_skew INT NOT NULL, host BLOB NOT NULL, version BLOB NOT NULL);
CREATE UNIQUE INDEX agent_name ON agent(name) WHERE removed=0;
CREATE TABLE token(id BLOB PRIMARY KEY, secret_hash BLOB NOT NULL, agent_name BLOB NOT NULL,
  expires_at INT NOT NULL) WITHOUT ROWID;
CREATE TABLE domain(row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE);
CREATE TABLE source(row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
  agent INT NOT NULL REFERENCES agent(row), name BLOB NOT NULL, kind BLOB NOT NULL,
  configured INT NOT NULL DEFAULT 1, head INT NOT NULL DEFAULT 0, max_seq INT NOT NULL DEFAULT 0,
  committing INT NOT NULL DEFAULT 0);
CREATE INDEX source_agent ON source(agent);
CREATE TABLE failure(source INTEGER PRIMARY KEY REFERENCES source(row), at INT NOT NULL,
  exit_code INT NOT NULL, error_code INT NOT NULL, message BLOB NOT NULL);
CREATE TABLE pack(row INTEGER PRIMARY KEY AUTOINCREMENT, domain INT NOT NULL REFERENCES domain(row),
  open_number INT NOT NULL UNIQUE, name BLOB UNIQUE, size INT NOT NULL DEFAULT 0,
  state INT NOT NULL);
CREATE TABLE chunk(rid INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, domain INT, pack INT,
  off INT, len INT, state INT, base INT);
CREATE INDEX chunk_pfx ON chunk(substr(id,1,8));
CREATE INDEX chunk_not_live ON chunk(state) WHERE state<>1;
CREATE TABLE span(chunk INT, source INT, first INT, last INT, PRIMARY KEY(chunk,source,first))
  WITHOUT ROWID;
CREATE INDEX span_sl ON span(source,last);
CREATE TABLE snapshot(source INT NOT NULL, seq INT NOT NULL, state INT NOT NULL,
  run_id BLOB NOT NULL, snapshot_id BLOB NOT NULL, agent INT NOT NULL, taken_at INT,
  committed_at INT, partial INT, content_bytes INT, entry_count INT, stored_bytes INT,
  chunk_count INT, duration_ms INT, verified_at INT, digest BLOB NOT NULL,
  purge_after INT NOT NULL DEFAULT 0,
  PRIMARY KEY(source,seq)) WITHOUT ROWID;
CREATE UNIQUE INDEX snapshot_run ON snapshot(source,run_id);
)sql";

// Version 2: what deltas depend on. Who deletes a chunk deletes its rows here.
constexpr char kVersion2[] = R"sql(
CREATE TABLE delta(chunk INT, place INT, base INT NOT NULL, PRIMARY KEY(chunk,place)) WITHOUT ROWID;
CREATE INDEX delta_base ON delta(base);
)sql";

// Version 3: what collection needs. A chunk without a span is in cand or in trash, always:
//   cand        to be looked at: uploaded, or its last span went
//   trash       condemned in `epoch`, at `at`: swept when it still has no span then
//   touched     packs to be weighed: finished, or lost a chunk since
//   leftover    purged snapshots whose documents are still in the store
//   pack_key    which run keys sealed the objects of a pack; no row: not looked at yet
//   key_leftover  run keys of purged snapshots whose envelope is still in the store
// snapshot.list_full: its reference list is no difference. 0 for those from before: not known.
constexpr char kVersion3[] = R"sql(
ALTER TABLE snapshot ADD COLUMN list_full INT NOT NULL DEFAULT 0;
CREATE INDEX snapshot_state ON snapshot(state) WHERE state<>1;
CREATE INDEX chunk_pack ON chunk(pack);
CREATE TABLE cand(chunk INTEGER PRIMARY KEY);
CREATE TABLE trash(chunk INTEGER PRIMARY KEY, epoch INT NOT NULL, at INT NOT NULL);
CREATE INDEX trash_at ON trash(at);
CREATE TABLE touched(pack INTEGER PRIMARY KEY);
CREATE TABLE leftover(source INT, seq INT, list_full INT NOT NULL,
  record_gone INT NOT NULL DEFAULT 0, PRIMARY KEY(source,seq)) WITHOUT ROWID;
CREATE TABLE pack_key(pack INT, key BLOB, PRIMARY KEY(pack,key)) WITHOUT ROWID;
CREATE TABLE key_leftover(domain INT, key BLOB, PRIMARY KEY(domain,key)) WITHOUT ROWID;
CREATE TABLE retention(source INTEGER PRIMARY KEY REFERENCES source(row), policy BLOB NOT NULL);
CREATE TABLE collection(id INTEGER PRIMARY KEY CHECK(id=1), epoch INT NOT NULL,
  clock_seen INT NOT NULL);
INSERT INTO collection(id,epoch,clock_seen) VALUES(1,1,0);
INSERT INTO cand SELECT rid FROM chunk
  WHERE NOT EXISTS(SELECT 1 FROM span WHERE span.chunk=chunk.rid);
INSERT INTO touched SELECT row FROM pack WHERE state=2;
)sql";

struct Migration {
  int version;
  const char* sql;
};
constexpr Migration kMigrations[] = {
    {1, kVersion1}, {2, kVersion2}, {3, kVersion3}, {4, kVersion4}, {kAlertsVersion, kAlertsTables},
    {6, kVersion6}};

}  // namespace

absl::Status CheckVersion(SqliteDb& db) {
  ASSIGN_OR_RETURN(const std::int64_t version, db.Number("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const std::int64_t application, db.Number("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const std::int64_t tables, db.Number("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0 && version == 0) return absl::OkStatus();
  if (application != kApplicationId) {
    return Error(ErrorKind::kUsage, 5003,
                 "unable to open the catalog: the file is a database of another program",
                 kDamagedHint);
  }
  if (version > kSchemaVersion) {
    return Error(ErrorKind::kUsage, 5002,
                 fmt::format("unable to open the catalog: it has schema {}, this program knows {} "
                             "(downgrade unsupported)",
                             version, kSchemaVersion),
                 "Install the newer version again.");
  }
  return absl::OkStatus();
}

absl::Status Migrate(SqliteDb& db) {
  ASSIGN_OR_RETURN(const std::int64_t version, db.Number("PRAGMA user_version"));
  for (const Migration& migration : kMigrations) {
    if (migration.version <= version) continue;
    ASSIGN_OR_RETURN(Transaction transaction, Transaction::BeginWrite(db));
    RETURN_IF_ERROR(db.Execute(migration.sql));
    RETURN_IF_ERROR(db.Execute(fmt::format("PRAGMA user_version={}; PRAGMA application_id={}",
                                           migration.version, kApplicationId)
                                   .c_str()));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

absl::Status QuickCheck(SqliteDb& db) {
  ASSIGN_OR_RETURN(Statement statement, db.Prepare("PRAGMA quick_check(1)"));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  const Bytes answer = row ? statement.Blob(0) : "no answer";
  if (answer == "ok") return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 5001,
               fmt::format("unable to open the catalog: it is damaged: {}", Escaped(answer)),
               kDamagedHint);
}

}  // namespace holdfast::catalog
