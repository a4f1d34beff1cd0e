// One backup run of one source: from the opened session to COMMITTED.
//
// Hides:      run data key and envelope, rollback detection, what is known from the last run,
//             manifest, reference list, record, repeat when the controller lacks chunks, the state
//             kept for the next run.
// Invariants: I1  OK is returned only after the controller said COMMITTED for exactly the record
//                 made here.
//             I2  The envelope is stored before the first object that needs it.
//             I3  A controller whose head is older than, or differs from, the one remembered is not
//                 trusted: kIntegrity 4065 "ROLLBACK", nothing is sent.
// Threading:  Run blocks; runs of different sources are independent.
// Errors:     of the source, of the session, or as named above.
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>

#include "agent/delta/delta_run.h"
#include "agent/pipeline/claim_check.h"
#include "agent/pipeline/ingest_session.h"
#include "agent/pipeline/snapshot_assembly.h"
#include "agent/source/source.h"
#include "common/env/env.h"
#include "common/format/trust.h"
#include "common/snapshot/opener.h"

namespace holdfast::pipeline {

// Who this agent is, and the secrets of its domain.
struct AgentKeys {
  AgentIdentity identity;
  KeyPair signing;
  KeyPair recipient;
  DomainSecrets secrets;
  PublicKey owner;
};

struct RunProgress : Progress {
  std::atomic<std::uint64_t> new_bytes{0};
  std::atomic<std::uint64_t> stored_bytes{0};
};

struct BackupReport {
  std::uint64_t seq = 0;
  Hash256 snapshot_id;
  bool partial = false;
  std::uint64_t entry_count = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t new_bytes = 0;
  std::uint64_t stored_bytes = 0;  // sealed bytes sent in this run
  std::uint64_t sent_objects = 0;
  std::uint64_t sent_deltas = 0;  // of them
  double seconds = 0;
  std::string summary;
  std::map<std::string, std::string> attributes;
  std::vector<std::string> notes;
  std::vector<Problem> problems;
  std::uint64_t problem_count = 0;
  std::vector<BrokenClaim>
      broken_claims;  // chunks that the controller says it has and does not give
};

// Where a source's deltas are remembered, see agent/delta.
struct DeltaPlaces {
  bool enabled = true;     // false: no new ones; those of earlier runs keep their bases
  std::string state_path;  // empty: nothing is known of deltas, and none are made
  std::string cache_directory;
  std::uint64_t cache_bytes = 0;
  // All content of a database is likely to change somewhere until the next run, so that it is kept
  // at once: the second run would fetch all of it. Most files never change.
  bool keep_new = false;
  std::shared_ptr<ChunkFetcher> fetcher;  // for bases that are not in the cache; may be null
};

class BackupRun {
 public:
  struct Options {
    Env env;
    const AgentKeys* keys = nullptr;      // outlives the run
    std::string state_path;               // of this source's PreviousSnapshot
    std::string recipients_version_path;  // remembers the newest recipient list seen
    SourceId source_id;
    std::string source_name;
    int seal_threads = 2;
    // Opens a snapshot of this source from the controller, for when the state file is gone or old.
    std::function<absl::StatusOr<OpenedSnapshot>(std::uint64_t seq)> open_snapshot;
    DeltaPlaces delta{};
    std::shared_ptr<ChunkFetcher> claims{};  // asked for a few chunks at the end; null: nobody is
  };
  explicit BackupRun(Options options) : options_(std::move(options)) {}

  absl::StatusOr<BackupReport> Run(source::Source& source, IngestSession& session,
                                   RunProgress& progress, std::stop_token stop);

 private:
  struct RunKey {
    KeyId id;
    SecretBytes key;
  };
  absl::Status CheckHead(const SessionStart& start) const;
  absl::StatusOr<std::vector<Recipient>> Recipients(const SessionStart& start) const;
  absl::Status LoadPrevious(const SessionStart& start);
  std::unique_ptr<delta::DeltaRun> BeginDeltas(const SessionStart& start) const;
  // Chunks, manifest, and the bases of those that are deltas.
  absl::StatusOr<std::vector<ChunkId>> References(const std::vector<ChunkId>& content,
                                                  const std::vector<Slice>& manifest,
                                                  IngestSession& session) const;
  absl::StatusOr<CommitOutcome> Attempt(source::Source& source, IngestSession& session,
                                        const SessionStart& start, const RunKey& key,
                                        RunProgress& progress, std::stop_token stop);
  absl::StatusOr<CommitRequest> Assemble(const SnapshotAssembly& assembly,
                                         const source::SourceResult& result, std::string kind,
                                         std::vector<Slice> manifest, std::uint64_t manifest_bytes,
                                         const SessionStart& start, const RunKey& key);
  std::string FullListMark() const;
  void RememberRefusedList(const absl::Status& status) const;
  void Remember(const SnapshotAssembly& assembly, const CommitRequest& request);
  std::string BrokenClaimsPath() const;
  std::vector<ChunkId> LoadBrokenClaims() const;
  void CheckSomeClaims(const std::vector<ChunkId>& content, const std::vector<Slice>& manifest);

  const Options options_;
  PreviousSnapshot previous_;
  bool references_known_ = true;  // those of the previous snapshot, bases included
  std::unique_ptr<delta::DeltaRun> delta_;
  std::vector<ChunkId> references_;  // of the snapshot being made
  std::vector<ChunkId> not_known_;   // the controller said that it lacks these
  absl::Time started_;
  absl::Time taken_at_;
  BackupReport report_;
};

}  // namespace holdfast::pipeline
