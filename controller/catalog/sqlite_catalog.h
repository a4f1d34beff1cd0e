// The catalog over SQLite: one writer connection, a pool of readers, methods by topic.
//
// Hides:      connections and locks; SQL is in one file per topic.
// Invariants: as catalog.h. Lock order: commit_mutex_, writer_mutex_, sessions_mutex_.
// Threading:  every method from any thread. Errors: as catalog.h.
#pragma once

#include <map>
#include <mutex>

#include "common/base/error.h"
#include "common/concurrency/fair_mutex.h"
#include "controller/catalog/catalog.h"
#include "controller/catalog/checkpointer.h"
#include "controller/catalog/lookups.h"
#include "controller/catalog/reader_pool.h"
#include "controller/catalog/schema.h"
#include "controller/catalog/sqlite.h"
#include "controller/catalog/sqlite_alerts.h"
#include "controller/catalog/sqlite_audit.h"
#include "controller/catalog/sqlite_planning.h"
#include "controller/catalog/switches.h"

namespace holdfast::catalog {

class SqliteCatalog final : public Catalog, public Collection {
 public:
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(Env env, const std::string& path);
  // Over one connection to a database in memory, made ready by Open or by a catalog before.
  static absl::StatusOr<std::unique_ptr<SqliteCatalog>> OpenInMemory(
      Env env, std::unique_ptr<SqliteDb> connection);
  std::unique_ptr<SqliteDb> TakeConnection() { return std::move(writer_); }
  SqliteDb& connection() { return *writer_; }
  Switches& switches() { return switches_; }

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
  absl::Status ForgetEmptyOpenPacks() override;
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
  absl::Status SettleDoubt() override;
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
  absl::StatusOr<std::uint64_t> StoredBytes(const DomainId& domain) override;
  Collection& collection() override { return *this; }
  Planning& planning() override { return planning_; }
  AlertBook& alerts() override { return alerts_; }
  AuditTrail& audit() override { return audit_; }
  absl::Status Forget(const SourceId& source, const std::vector<std::uint64_t>& seqs,
                      std::uint64_t purge_after_ms) override;
  absl::Status Undelete(const SourceId& source, std::uint64_t seq) override;
  absl::StatusOr<std::vector<TrashedSnapshot>> ListTrash() override;
  absl::StatusOr<Step> PurgeStep(const SourceId& source, std::uint64_t seq,
                                 std::uint64_t now_ms) override;
  absl::StatusOr<std::uint64_t> ExclusiveBytes(const std::vector<SnapshotName>& names) override;
  absl::StatusOr<Step> CondemnStep(std::uint64_t now_ms) override;
  absl::StatusOr<Step> SweepStep(std::uint64_t before_ms) override;
  absl::StatusOr<std::uint64_t> UnreferencedBytes() override;
  std::uint64_t OpenSession() override;
  void CloseSession(std::uint64_t session) override;
  absl::StatusOr<std::vector<PackWeight>> WeighTouchedPacks() override;
  absl::Status SetWeighed(const std::vector<PackWeight>& packs) override;
  absl::StatusOr<std::vector<PackEntry>> ChunksIn(std::int64_t pack_row) override;
  absl::StatusOr<Step> MoveChunks(std::int64_t from_pack, std::int64_t to_pack,
                                  const std::vector<MovedObject>& objects) override;
  absl::StatusOr<bool> RetirePack(std::int64_t pack_row) override;
  absl::StatusOr<std::vector<PackWeight>> ListRetiredPacks() override;
  absl::Status ForgetRetiredPack(std::int64_t pack_row) override;
  absl::StatusOr<std::vector<Leftover>> ListLeftovers() override;
  absl::Status AddKeyLeftovers(const std::vector<DomainKey>& keys) override;
  absl::Status SetRecordGone(const SourceId& source, std::uint64_t seq) override;
  absl::Status ForgetLeftover(const SourceId& source, std::uint64_t seq) override;
  absl::StatusOr<std::vector<DomainKey>> ListKeyLeftovers() override;
  absl::StatusOr<std::vector<PackWeight>> ListPacksOfUnknownKeys(const DomainId& domain) override;
  absl::Status SetPackKeys(std::int64_t pack_row, const std::vector<KeyId>& keys) override;
  absl::StatusOr<bool> KeyMayBeUsed(const DomainKey& key) override;
  absl::Status ForgetKeyLeftover(const DomainKey& key) override;
  absl::StatusOr<Bytes> GetPolicy(const SourceId& source) override;
  absl::Status SetPolicy(const SourceId& source, ByteView policy) override;
  absl::StatusOr<std::uint64_t> ClockSeen() override;
  absl::Status SetClockSeen(std::uint64_t now_ms) override;

 private:
  friend class SqliteAlerts;
  friend class SqliteAudit;
  friend class SqlitePlanning;
  SqliteCatalog(Clock& clock, std::string path, std::unique_ptr<DirectoryLock> lock,
                std::unique_ptr<SqliteDb> writer);
  absl::Status EnsureInstallation(Rng& rng);
  absl::Status RollBackCutCommits();  // of a predecessor that died between two of its transactions
  absl::Status ReadEpoch();
  std::int64_t OldestSessionEpoch();

  // Runs `action(db)`, of Status or StatusOr, in one write transaction; an error rolls back.
  template <typename Action>
  auto Write(Action action) -> decltype(action(std::declval<SqliteDb&>())) {
    if (audit_.IsHere()) return action(*writer_);
    std::lock_guard lock(writer_mutex_);
    if (switches_.writes_left == 0) return absl::AbortedError("the process died");
    if (switches_.writes_left > 0) --switches_.writes_left;
    auto transaction = Transaction::BeginWrite(*writer_);
    if (!transaction.ok()) return transaction.status();
    auto result = action(*writer_);
    if (!result.ok()) return result;
    if (absl::Status status = transaction->Commit(); !status.ok()) {
      in_doubt_ = true;
      return status;
    }
    return result;
  }

  // Runs `action(db)` on one consistent state.
  template <typename Action>
  auto Read(Action action) -> decltype(action(std::declval<SqliteDb&>())) {
    if (audit_.IsHere()) return action(*writer_);
    if (one_connection_) {
      std::lock_guard lock(writer_mutex_);
      return action(*writer_);
    }
    auto reader = readers_.Take();
    if (!reader.ok()) return reader.status();
    auto result = [&]() -> decltype(action(**reader)) {
      auto transaction = Transaction::BeginRead(**reader);
      if (!transaction.ok()) return transaction.status();
      return action(**reader);
    }();
    readers_.Return(*std::move(reader));
    return result;
  }

  Clock& clock_;
  const std::string path_;
  const std::unique_ptr<DirectoryLock> lock_;
  const bool one_connection_;
  Switches switches_;
  SqliteAlerts alerts_{*this};
  SqliteAudit audit_{*this};
  SqlitePlanning planning_{*this};
  std::mutex commit_mutex_;  // one CommitSnapshot or PurgeStep at a time
  FairMutex writer_mutex_;   // guards writer_, in_doubt_ and bases_changed_
  std::unique_ptr<SqliteDb> writer_;
  Checkpointer checkpointer_{path_, writer_mutex_};
  bool in_doubt_ = false;            // a commit failed, and none wrote over it since
  std::uint64_t bases_changed_ = 0;  // how often a chunk that was there already got other bases
  ReaderPool readers_{path_};        // closed before the writer
  std::mutex sessions_mutex_;        // guards all below
  std::map<std::uint64_t, std::int64_t> sessions_;  // to the epoch in which each began
  std::uint64_t last_session_ = 0;
  std::int64_t epoch_ = 0;
};

}  // namespace holdfast::catalog
