// The controller's catalog (SQLite): agents, sources, packs, chunks, snapshots and who references
// what, as spans.
//
// Hides:      SQL, migrations, the single writer, span arithmetic (DESIGN 7, CATALOG A).
// Invariants: I1  Every method is one transaction: after kill -9 it has happened wholly or not at
//                 all.
//             I2  CommitSnapshot succeeds only when every chunk of the new snapshot is LIVE in the
//                 agent's domain at that moment, and the bases of its deltas are among them; it
//                 then references them until the snapshot is removed.
//             I3  Committing seq n costs O(difference to n−1). Seqs and row ids are never used
//                 twice.
//             I4  One run_id is committed at most once; asking again gives the same answer.
//             I5  Ids are looked up within the caller's domain: "exists elsewhere" and "does not
//                 exist" look alike.
// Threading:  every method from any thread (one writer connection behind a mutex, readers
//             query_only).
// Errors:     kConflict, kNotFound, kPermission as named; kIntegrity 5001 for a damaged database;
//             kNoSpace; a newer schema is kUsage 5002 "downgrade unsupported".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/env/env.h"
#include "controller/catalog/alert_book.h"
#include "controller/catalog/audit.h"
#include "controller/catalog/catalog_rows.h"
#include "controller/catalog/collection.h"
#include "controller/catalog/damage.h"
#include "controller/catalog/planning.h"

namespace holdfast::catalog {

class Catalog {
 public:
  // Opens or creates `path`; migrates older schemas; quick_check.
  static absl::StatusOr<std::unique_ptr<Catalog>> Open(Env env, const std::string& path);
  virtual ~Catalog() = default;

  // Installation and trust
  virtual absl::StatusOr<Installation> GetInstallation() = 0;
  virtual absl::Status SetOwner(const PublicKey& owner, ByteView recipients,
                                std::uint64_t version) = 0;  // kConflict when set
  virtual absl::Status SetRecipients(
      ByteView recipients, std::uint64_t version) = 0;  // version must be stored + 1: kConflict

  // Agents and enrolment
  virtual absl::Status AddToken(
      const TokenRow& token) = 0;  // kConflict: an agent with this name exists and is not removed
  // Uses up the token and adds the agent, in one transaction. The same kPermission 6020 for
  // unknown, used, expired, wrong secret.
  virtual absl::StatusOr<AgentRow> Enrol(ByteView token_id, ByteView secret, const AgentRow& agent,
                                         std::uint64_t now_ms) = 0;
  virtual absl::StatusOr<AgentRow> GetAgent(const AgentId& id) = 0;
  virtual absl::StatusOr<AgentRow> FindAgent(const std::string& name) = 0;  // not removed
  virtual absl::StatusOr<std::vector<AgentRow>> ListAgents(bool include_removed) = 0;
  virtual absl::Status RemoveAgent(const std::string& name) = 0;  // its snapshots stay
  virtual absl::Status SetAgentDomain(
      const AgentId& id, const DomainId& domain) = 0;  // once; another domain: kConflict 5063;
                                                       // another agent's: kConflict 5069
  virtual absl::Status SetAgentCertificate(const AgentId& id, const Hash256& key_pin,
                                           std::uint64_t not_after_ms) = 0;
  // Of an agent whose key is not known since the catalog was made anew (a zero pin); kConflict 5068
  // when it is known by now.
  virtual absl::Status AdoptAgentKey(const AgentId& id, const Hash256& key_pin) = 0;
  virtual absl::Status RenameAgent(const AgentId& id, const std::string& name) = 0;
  virtual absl::Status SetAgentSeen(
      const AgentRow& seen) = 0;  // last_seen, skew, host, software_version

  // Sources: what an agent says it has. Sources it no longer names keep their snapshots and are not
  // `configured`.
  virtual absl::Status SetSources(const AgentId& agent, const std::vector<SourceRow>& sources) = 0;
  virtual absl::StatusOr<std::vector<SourceRow>> ListSources(bool configured_only) = 0;
  virtual absl::StatusOr<SourceRow> GetSource(const SourceId& id) = 0;

  // Packs and chunks
  virtual absl::StatusOr<std::int64_t> AddOpenPack(const DomainId& domain,
                                                   std::uint64_t open_number) = 0;
  // Durable objects of an open pack become LIVE (STORED). A chunk that is LIVE already keeps its
  // first place.
  // `bases` names those of the deltas among them; a base that is not LIVE and plain: kIntegrity
  // 5066, and nothing is added. A base that is whole again makes its deltas LIVE again.
  virtual absl::Status AddChunks(std::int64_t pack_row, const std::vector<PackEntry>& entries,
                                 const DeltaBases& bases) = 0;
  virtual absl::Status FinishPack(std::int64_t pack_row, const PackName& name,
                                  std::uint64_t size_bytes) = 0;
  virtual absl::Status ForgetPack(std::int64_t pack_row) = 0;  // given up: its chunk rows go
  virtual absl::StatusOr<std::optional<std::int64_t>> FindOpenPack(std::uint64_t open_number) = 0;
  // At a start, when none is being filled: open packs that got no chunk are given up.
  virtual absl::Status ForgetEmptyOpenPacks() = 0;
  virtual absl::StatusOr<std::vector<ChunkPresence>> FindChunks(
      const DomainId& domain, const std::vector<ChunkId>& ids) = 0;
  // One per id, kNotFound 5020 naming the first unknown one.
  virtual absl::StatusOr<std::vector<ChunkLocation>> Locate(const DomainId& domain,
                                                            const std::vector<ChunkId>& ids) = 0;
  virtual absl::Status MarkBad(const DomainId& domain,
                               const ChunkId& id) = 0;  // not LIVE any more, nor its deltas: the
                                                        // next backup sends them again

  // What a scrub asks for and says. Bases that are bad make their deltas bad, and back.
  virtual absl::StatusOr<std::vector<SealedPack>> ListPacks() = 0;  // finished ones, by name
  // kNotFound 5064 when the pack is not there any more.
  virtual absl::StatusOr<std::vector<PlacedChunk>> LiveChunksOf(const PackName& name) = 0;
  virtual absl::StatusOr<std::vector<PlacedChunk>> BadChunksOf(const PackName& name) = 0;
  virtual absl::Status MarkBadIn(const PackName& name, const std::vector<ChunkId>& ids) = 0;
  virtual absl::Status ReviveIn(const PackName& name, const std::vector<ChunkId>& ids) = 0;
  virtual absl::StatusOr<std::vector<DamagedSource>> ListDamage() = 0;

  // Snapshots
  // A transaction whose sync failed is not done, yet its bytes may be in the log, and a crash would
  // bring it back. After OK what is read here is what a crash leaves.
  virtual absl::Status SettleDoubt() = 0;
  virtual absl::StatusOr<CommitResult> CommitSnapshot(const SnapshotCommit& commit,
                                                      std::uint64_t now_ms) = 0;
  virtual absl::StatusOr<std::optional<SnapshotRow>> FindRun(const SourceId& source,
                                                             ByteView run_id) = 0;
  virtual absl::StatusOr<SnapshotRow> GetSnapshot(const SourceId& source,
                                                  std::uint64_t seq) = 0;  // 0: newest
  virtual absl::StatusOr<std::vector<SnapshotRow>> ListSnapshots(
      const SourceId& source, std::uint32_t limit) = 0;  // newest first
  // The reference set of a snapshot, sorted: for checks and rebuilds.
  virtual absl::StatusOr<std::vector<ChunkId>> References(const SourceId& source,
                                                          std::uint64_t seq) = 0;
  virtual absl::Status SetVerified(const SourceId& source, std::uint64_t seq,
                                   std::uint64_t at_ms) = 0;

  // Runs
  // Counts those since the last success; a commit forgets them.
  virtual absl::Status RecordFailure(const SourceId& source, const RunFailure& failure) = 0;
  virtual absl::Status ClearFailure(const SourceId& source) = 0;
  virtual absl::StatusOr<std::optional<RunFailure>> LastFailure(const SourceId& source) = 0;

  virtual absl::StatusOr<Totals> GetTotals() = 0;
  // What the packs of a domain take, those that are being filled too; 0: nothing was ever stored.
  virtual absl::StatusOr<std::uint64_t> StoredBytes(const DomainId& domain) = 0;

  // Retention, trash and garbage.
  virtual Collection& collection() = 0;
  // Settings, schedules, measured restores.
  virtual Planning& planning() = 0;

  // Events, alerts, what has to be said of them.
  virtual AlertBook& alerts() = 0;

  // Who changed what.
  virtual AuditTrail& audit() = 0;
};

// "web-1/db", as operators name a source where two agents have one of its name.
std::string QualifiedName(Catalog& catalog, const SourceId& source);

}  // namespace holdfast::catalog
