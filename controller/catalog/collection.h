// The part of the catalog that lets go: forgotten snapshots, chunks nobody references, packs with
// little in them, documents left in the store. What is decided when is controller/retention's.
//
// Hides:      SQL, batches, which check belongs into which transaction.
// Invariants: I1  A chunk row goes only in a transaction that sees no span for it and no delta on
//                 it. A chunk without a span is a candidate or condemned, at every moment.
//             I2  A pack is deleted from disk only after a transaction that saw no chunk in it.
//             I3  A trashed snapshot keeps its references; only its purge lets them go.
//             I4  Every step is one transaction of at most kStepRows rows. Steps may be repeated
//                 and cut off anywhere.
//             I5  The newest snapshot of a source that an agent still has is neither forgotten nor
//                 purged. Numbers are never used twice.
// Threading:  every method from any thread.
// Errors:     as catalog.h; kRefused 5071 (I5), kNotFound 5027, kConflict 5072 (not in the trash).
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::catalog {

inline constexpr int kStepRows = 1000;

struct TrashedSnapshot {
  SnapshotRow snapshot;
  std::uint64_t purge_after_ms = 0;
  bool purging = false;  // too late to undelete; of the snapshot, source and seq only
};

struct Step {
  std::uint64_t rows = 0;
  bool more = false;  // run it again
  std::uint64_t bytes = 0;
};

// A purged snapshot whose documents are still in the store. Its record may go at once; its
// reference list only when no list that is still needed builds on it.
struct Leftover {
  SourceId source;
  std::uint64_t seq = 0;
  bool record_gone = false;
  bool list_needed = false;
};

struct DomainKey {
  DomainId domain;
  KeyId key;
};

struct PackWeight {
  std::int64_t pack_row = 0;
  DomainId domain;
  PackName name;
  std::uint64_t size_bytes = 0;
  std::uint64_t live_bytes = 0;
  bool has_bad = false;  // a lost or damaged chunk that is still referenced lies here
};

// An object that was copied: its chunk moves when it still lies where it was read.
struct MovedObject {
  ChunkId id;
  std::uint64_t from_offset_bytes = 0;
  PackEntry to;
};

class Collection {
 public:
  virtual ~Collection() = default;

  // Trash. Forget is all or nothing.
  virtual absl::Status Forget(const SourceId& source, const std::vector<std::uint64_t>& seqs,
                              std::uint64_t purge_after_ms) = 0;
  virtual absl::Status Undelete(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::StatusOr<std::vector<TrashedSnapshot>> ListTrash() = 0;
  // The first step after `purge_after` makes it final. Not due: no rows, no more.
  virtual absl::StatusOr<Step> PurgeStep(const SourceId& source, std::uint64_t seq,
                                         std::uint64_t now_ms) = 0;
  // Bytes of chunks that only these snapshots (of any state) still hold.
  struct SnapshotName {
    SourceId source;
    std::uint64_t seq = 0;
  };
  virtual absl::StatusOr<std::uint64_t> ExclusiveBytes(const std::vector<SnapshotName>& names) = 0;

  // Chunks. A chunk is swept when it was condemned at or before `before_ms` and no session is open
  // that began before that.
  virtual absl::StatusOr<Step> CondemnStep(std::uint64_t now_ms) = 0;
  virtual absl::StatusOr<Step> SweepStep(std::uint64_t before_ms) = 0;
  virtual absl::StatusOr<std::uint64_t> UnreferencedBytes() = 0;
  virtual std::uint64_t OpenSession() = 0;  // of this process: none survives it
  virtual void CloseSession(std::uint64_t session) = 0;

  // Packs
  virtual absl::StatusOr<std::vector<PackWeight>> WeighTouchedPacks() = 0;  // finished ones
  // Until they are touched again; not those whose weight is another by now.
  virtual absl::Status SetWeighed(const std::vector<PackWeight>& packs) = 0;
  // What lies in it and is not damaged, by offset; without CRC.
  virtual absl::StatusOr<std::vector<PackEntry>> ChunksIn(std::int64_t pack_row) = 0;
  // At most kStepRows objects.
  virtual absl::StatusOr<Step> MoveChunks(std::int64_t from_pack, std::int64_t to_pack,
                                          const std::vector<MovedObject>& objects) = 0;
  // False: something lies in it.
  virtual absl::StatusOr<bool> RetirePack(std::int64_t pack_row) = 0;
  virtual absl::StatusOr<std::vector<PackWeight>> ListRetiredPacks() = 0;
  virtual absl::Status ForgetRetiredPack(std::int64_t pack_row) = 0;  // its file is gone

  // Documents
  virtual absl::StatusOr<std::vector<Leftover>> ListLeftovers() = 0;
  // What its record named, before the record goes.
  virtual absl::Status AddKeyLeftovers(const std::vector<DomainKey>& keys) = 0;
  virtual absl::Status SetRecordGone(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::Status ForgetLeftover(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::StatusOr<std::vector<DomainKey>> ListKeyLeftovers() = 0;
  virtual absl::StatusOr<std::vector<PackWeight>> ListPacksOfUnknownKeys(
      const DomainId& domain) = 0;
  virtual absl::Status SetPackKeys(std::int64_t pack_row, const std::vector<KeyId>& keys) = 0;
  // A pack of the domain holds objects sealed under it, or may: a pack is open, or not looked at.
  virtual absl::StatusOr<bool> KeyMayBeUsed(const DomainKey& key) = 0;
  virtual absl::Status ForgetKeyLeftover(const DomainKey& key) = 0;

  // Retention
  virtual absl::StatusOr<Bytes> GetPolicy(const SourceId& source) = 0;  // empty: the default
  virtual absl::Status SetPolicy(const SourceId& source, ByteView policy) = 0;  // empty: default
  virtual absl::StatusOr<std::uint64_t> ClockSeen() = 0;                        // 0: never
  virtual absl::Status SetClockSeen(std::uint64_t now_ms) = 0;
};

}  // namespace holdfast::catalog
