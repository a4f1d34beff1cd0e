// Lets go of what is no longer wanted: policy → trash → purge → chunks → packs and documents.
//
// Hides:      the order of the steps, the guards before anything expires, what a dead predecessor
//             left half done.
// Invariants: I1  Files go only after the catalog's transaction that made them unneeded; what a
//                 crash leaves is a row that names the file, and the next run removes it.
//             I2  Every step is a short transaction: backups and restores go on meanwhile.
//             I3  Nothing expires while the clock is in doubt, nor of a source whose last backup
//                 failed or whose snapshots look wrong (Doubt) until an operator confirms it.
//             I4  What a running job reads is not purged.
// Threading:  every method from any thread; runs are serialised.
// Errors:     of catalog and store; kCancelled when stopped; kConflict 5082 (confirmed another
//             number), kUnreachable 5083 (the store refuses writes).
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/retention/policy.h"
#include "controller/store/store.h"

namespace holdfast::retention {

struct CollectorOptions {
  absl::Duration trash_time = absl::Hours(24 * 14);
  absl::Duration sweep_delay = absl::Hours(24);
  std::uint32_t live_percent = 50;  // packs with less in use are copied together
};

struct CollectionReport {
  std::vector<std::string> trashed;  // "db@5", by policy
  std::vector<std::string> purged;   // "db@5"
  std::uint64_t swept_chunks = 0;
  std::uint64_t swept_bytes = 0;
  std::uint64_t removed_packs = 0;
  std::uint64_t repacked_packs = 0;
  std::uint64_t freed_bytes = 0;    // of packs removed, less what was copied
  std::uint64_t waiting_bytes = 0;  // of no use, but kept until their time is over
  std::uint64_t removed_documents = 0;
  std::vector<std::string> notes;  // what was left alone, and why
};

struct Explanation {
  Policy policy;
  bool is_default = true;
  std::vector<Verdict> verdicts;
  std::vector<catalog::SnapshotRow> snapshots;  // newest first, as the verdicts
  std::string pause;                            // why nothing expires by itself; empty: it may
};

class Collector {
 public:
  // Says whether a job that may read this source runs.
  using IsRead = std::function<bool(const SourceId&)>;
  Collector(Env env, catalog::Catalog& catalog, store::Store& store, CollectorOptions options,
            IsRead is_read);

  enum class Pace { kGentle, kFast };
  absl::StatusOr<CollectionReport> Run(Pace pace, std::stop_token stop);
  void Stop() { stopping_ = true; }  // for good: runs end between two steps
  // What a run would do now; changes nothing. Bytes are an estimate: packs are not opened.
  absl::StatusOr<CollectionReport> Preview();

  absl::StatusOr<Explanation> Explain(const SourceId& source);
  // `by` is who asks, for the audit trail.
  absl::Status SetPolicy(const SourceId& source, const std::optional<Policy>& policy,
                         const std::string& by);
  // Applies the policy in spite of a pause, when it removes exactly so many snapshots.
  absl::Status Confirm(const SourceId& source, std::uint64_t removals, const std::string& by);
  absl::Status AcceptClock(const std::string& by);

  absl::Status Forget(const SourceId& source, const std::vector<std::uint64_t>& seqs,
                      const std::string& by);
  const CollectorOptions& options() const { return options_; }

 private:
  struct Round;  // one run

  std::uint64_t NowMs() const;
  absl::Status ForgetAs(std::string_view action, const SourceId& source,
                        const std::vector<std::uint64_t>& seqs, const std::string& by);
  absl::StatusOr<std::string> ClockDoubt();  // empty: none
  absl::StatusOr<std::string> PauseOf(const catalog::SourceRow& source, const Explanation& found);
  absl::Status Expire(Round* round);
  absl::Status Purge(Round* round);
  absl::Status RemoveDocuments(Round* round);
  absl::Status RemoveRecord(const catalog::Leftover& leftover, Round* round);
  absl::Status RemoveEnvelopes(Round* round);
  absl::StatusOr<std::set<KeyId>> KeysNamedIn(const DomainId& domain);  // by records that are kept
  absl::Status LearnPackKeys(const DomainId& domain, Round* round);
  absl::Status SweepChunks(Round* round);
  absl::Status RetireEmptyPacks(Round* round);
  absl::Status RepackPacks(Round* round);
  absl::Status RemoveRetiredPacks(Round* round);
  absl::Status Breathe(Round* round);

  Env env_;
  catalog::Catalog& catalog_;
  store::Store& store_;
  const CollectorOptions options_;
  const IsRead is_read_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // one run at a time; guards all below
  std::optional<absl::Duration> clock_doubted_since_;
};

}  // namespace holdfast::retention
