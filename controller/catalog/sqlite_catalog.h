// The catalog over SQLite: one writer connection, a pool of readers, methods by topic.
//
// Hides:      connections and locks; SQL is in installation.cpp, agents.cpp, sources.cpp,
// packs.cpp,
//             snapshots.cpp and commit.cpp.
// Invariants: as catalog.h. Lock order: commit_mutex_, then writer_mutex_; readers_mutex_ alone.
// Threading:  every method from any thread.
// Errors:     as catalog.h.
#pragma once

#include <mutex>

#include "common/base/error.h"
#include "controller/catalog/catalog.h"
#include "controller/catalog/schema.h"
#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

class SqliteCatalog final : public Catalog {
 public:
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(Env env, const std::string& path);

  absl::StatusOr<Installation> GetInstallation() override;
  absl::Status SetOwner(const PublicKey& owner, ByteView recipients,
                        std::uint64_t version) override;
  absl::Status SetRecipients(ByteView recipients, std::uint64_t version) override;

  absl::Status AddToken(const TokenRow& token) override;
  absl::StatusOr<AgentRow> Enrol(ByteView token_id, ByteView secret, const AgentRow& agent,
                                 std::uint64_t now_ms) override;
  absl::StatusOr<AgentRow> GetAgent(const AgentId& id) override;
  absl::StatusOr<AgentRow> FindAgent(const std::string& name) override;
  absl::StatusOr<std::vector<AgentRow>> ListAgents(bool include_removed) override;
  absl::Status RemoveAgent(const std::string& name) override;
  absl::Status SetAgentDomain(const AgentId& id, const DomainId& domain) override;
  absl::Status SetAgentCertificate(const AgentId& id, const Hash256& key_pin,
                                   std::uint64_t not_after_ms) override;
  absl::Status AdoptAgentKey(const AgentId& id, const Hash256& key_pin) override;
  absl::Status RenameAgent(const AgentId& id, const std::string& name) override;
  absl::Status SetAgentSeen(const AgentRow& seen) override;

  absl::Status SetSources(const AgentId& agent, const std::vector<SourceRow>& sources) override;
  absl::StatusOr<std::vector<SourceRow>> ListSources(bool configured_only) override;
  absl::StatusOr<SourceRow> GetSource(const SourceId& id) override;

  absl::StatusOr<std::int64_t> AddOpenPack(const DomainId& domain,
                                           std::uint64_t open_number) override;
  absl::Status AddChunks(std::int64_t pack_row, const std::vector<PackEntry>& entries,
                         const DeltaBases& bases) override;
  absl::Status FinishPack(std::int64_t pack_row, const PackName& name,
                          std::uint64_t size_bytes) override;
  absl::Status ForgetPack(std::int64_t pack_row) override;
  absl::StatusOr<std::optional<std::int64_t>> FindOpenPack(std::uint64_t open_number) override;
  absl::StatusOr<std::vector<ChunkPresence>> FindChunks(const DomainId& domain,
                                                        const std::vector<ChunkId>& ids) override;
  absl::StatusOr<std::vector<ChunkLocation>> Locate(const DomainId& domain,
                                                    const std::vector<ChunkId>& ids) override;
  absl::Status MarkBad(const DomainId& domain, const ChunkId& id) override;

  absl::StatusOr<std::vector<SealedPack>> ListPacks() override;
  absl::StatusOr<std::vector<PlacedChunk>> LiveChunksOf(const PackName& name) override;
  absl::StatusOr<std::vector<PlacedChunk>> BadChunksOf(const PackName& name) override;
  absl::Status MarkBadIn(const PackName& name, const std::vector<ChunkId>& ids) override;
  absl::Status ReviveIn(const PackName& name, const std::vector<ChunkId>& ids) override;
  absl::StatusOr<std::vector<DamagedSource>> ListDamage() override;

  absl::StatusOr<CommitResult> CommitSnapshot(const SnapshotCommit& commit,
                                              std::uint64_t now_ms) override;
  absl::StatusOr<std::optional<SnapshotRow>> FindRun(const SourceId& source,
                                                     ByteView run_id) override;
  absl::StatusOr<SnapshotRow> GetSnapshot(const SourceId& source, std::uint64_t seq) override;
  absl::StatusOr<std::vector<SnapshotRow>> ListSnapshots(const SourceId& source,
                                                         std::uint32_t limit) override;
  absl::StatusOr<std::vector<ChunkId>> References(const SourceId& source,
                                                  std::uint64_t seq) override;
  absl::Status SetVerified(const SourceId& source, std::uint64_t seq, std::uint64_t at_ms) override;

  absl::Status RecordFailure(const SourceId& source, const RunFailure& failure) override;
  absl::Status ClearFailure(const SourceId& source) override;
  absl::StatusOr<std::optional<RunFailure>> LastFailure(const SourceId& source) override;

  absl::StatusOr<Totals> GetTotals() override;

 private:
  SqliteCatalog(std::string path, std::unique_ptr<DirectoryLock> lock,
                std::unique_ptr<SqliteDb> writer)
      : path_(std::move(path)), lock_(std::move(lock)), writer_(std::move(writer)) {}

  absl::Status EnsureInstallation(Rng& rng);
  absl::Status RollBackCutCommits();  // of a predecessor that died between two of its transactions

  // Runs `action(db)`, which returns a Status or StatusOr, in one write transaction; an error rolls
  // back.
  template <typename Action>
  auto Write(Action action) -> decltype(action(std::declval<SqliteDb&>())) {
    std::lock_guard lock(writer_mutex_);
    auto transaction = Transaction::BeginWrite(*writer_);
    if (!transaction.ok()) return transaction.status();
    auto result = action(*writer_);
    if (!result.ok()) return result;
    if (absl::Status status = transaction->Commit(); !status.ok()) return status;
    return result;
  }

  // Runs `action(db)` on one consistent state.
  template <typename Action>
  auto Read(Action action) -> decltype(action(std::declval<SqliteDb&>())) {
    auto reader = TakeReader();
    if (!reader.ok()) return reader.status();
    auto result = [&]() -> decltype(action(**reader)) {
      auto transaction = Transaction::BeginRead(**reader);
      if (!transaction.ok()) return transaction.status();
      return action(**reader);
    }();
    ReturnReader(*std::move(reader));
    return result;
  }
  absl::StatusOr<std::unique_ptr<SqliteDb>> TakeReader();
  void ReturnReader(std::unique_ptr<SqliteDb> reader);

  const std::string path_;
  const std::unique_ptr<DirectoryLock> lock_;
  std::mutex commit_mutex_;  // one CommitSnapshot at a time
  std::mutex writer_mutex_;  // guards writer_
  std::unique_ptr<SqliteDb> writer_;
  std::mutex readers_mutex_;                             // guards idle_readers_
  std::vector<std::unique_ptr<SqliteDb>> idle_readers_;  // closed before the writer
};

// Used by several topics; on a connection inside a transaction.

// A source's row with what commits need beside it; kNotFound 5022.
struct SourceState {
  SourceRow source;
  std::int64_t agent_row = 0;
  std::uint64_t committing = 0;
};
absl::StatusOr<SourceState> FindSource(SqliteDb& db, const SourceId& id);
// Nullopt: no chunk of this domain was ever stored.
absl::StatusOr<std::optional<std::int64_t>> FindDomain(SqliteDb& db, const DomainId& domain);
// Deltas that were of no use for want of this base, and lack no other one, are LIVE again.
absl::Status ReviveDeltasOf(SqliteDb& db, std::int64_t base_row);
absl::StatusOr<SnapshotRow> ReadSnapshot(SqliteDb& db, std::int64_t source_row, std::uint64_t seq);
absl::StatusOr<std::optional<SnapshotRow>> ReadRun(SqliteDb& db, std::int64_t source_row,
                                                   ByteView run_id);

// A chunk's row by id within a domain.
struct ChunkRow {
  std::int64_t rid = 0;  // 0: there is none
  int state = 0;
};
class ChunkLookup {
 public:
  static absl::StatusOr<ChunkLookup> Prepare(SqliteDb& db);
  absl::StatusOr<ChunkRow> Find(std::int64_t domain_row, const ChunkId& id);

 private:
  explicit ChunkLookup(Statement statement) : statement_(std::move(statement)) {}
  Statement statement_;
};

}  // namespace holdfast::catalog
