// The controller's store, a directory or a bucket (common/s3/mounted_file_system.h; open packs are
// on the disk in either case): open packs, finished packs, records, envelopes,
// trust documents.
//
// Hides:      fan-out directories, temporary names, fsync order, pack hashing, recovery of open
//             packs.
// Invariants: I1  Append + Sync returned OK: those objects survive kill -9 and power loss, in
//                 staging or in a pack.
//             I2  A finished pack's name is the SHA-256 of its bytes; it is never rewritten.
//                 Documents (records, reference lists, envelopes, identities) are write-once:
//                 putting equal bytes again is OK, other bytes under the same name are kConflict.
//             I3  Read never returns bytes from outside a pack's objects: bounds are checked
//                 against the file.
//             I4  After a failed fsync the pack is given up and the store refuses writes
//                 (kUnreachable 5011) until Probe() wrote, synced and removed a file.
// Threading:  Store from any thread; an OpenPack belongs to one thread at a time (Read beside it is
//             fine).
// Errors:     kNoSpace, kIntegrity 50xx, kNotFound.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "common/crypto/crypto.h"
#include "common/env/env.h"
#include "common/format/pack.h"
#include "common/format/parity.h"
#include "controller/store/pack_check.h"
#include "controller/store/staged_document.h"

namespace holdfast::store {

// A pack being filled, staging/<number>.open.
class OpenPack {
 public:
  virtual ~OpenPack() = default;
  virtual std::uint64_t number() const = 0;  // unique for the life of the data directory
  virtual std::uint64_t size_bytes() const = 0;
  // Appends sealed objects (headers checked by the caller). Not durable before Sync.
  virtual absl::StatusOr<PackEntry> Append(const ChunkId& id, ByteView object) = 0;
  virtual absl::Status Sync() = 0;  // I1
  // Writes the footer, syncs, moves the file to packs/. The OpenPack is then done. An empty pack is
  // removed: zero name. An OpenPack destroyed unfinished stays readable and is finished by the next
  // Open.
  virtual absl::StatusOr<PackName> Finish() = 0;
};

// What Open found in staging and finished: whole objects only. Also every pack that was finished
// but not settled, so that a death between Finish and the catalog's commit loses nothing. Only what
// the catalog already calls STORED should be trusted: after power loss, bytes appended behind the
// last Sync may look whole and be wrong.
struct RecoveredPack {
  std::uint64_t number = 0;
  PackName name;  // zero: it held no whole object
  std::vector<PackEntry> entries;
  std::uint64_t dropped_bytes = 0;  // torn tail cut away, and damaged regions left out
};

inline constexpr std::uint64_t kPackTargetBytes = 32ull << 20;

class Store {
 public:
  // `data_directory` gets store/ and staging/. Open packs of a dead predecessor are cut after their
  // last whole object, finished and listed in `recovered`. Temporary files are removed. New packs
  // get parity of `parity_percent` of their size (0: none).
  static absl::StatusOr<std::unique_ptr<Store>> Open(
      Env env, std::string data_directory, std::vector<RecoveredPack>* recovered,
      unsigned parity_percent = kDefaultParityPercent);
  virtual ~Store() = default;

  virtual absl::StatusOr<std::unique_ptr<OpenPack>> CreatePack() = 0;
  // The catalog knows that pack `number` is finished: Open need not report it again. Idempotent.
  virtual absl::Status Settle(std::uint64_t number) = 0;
  // With the store in a bucket: packs that are complete on the controller's disk, and that the
  // bucket did not take when they were finished. Those that it takes now are added to `moved`, for
  // the catalog.
  virtual absl::Status MoveRest(std::vector<RecoveredPack>* moved) = 0;
  // Open packs that Open could not read and set aside; DropSetAside removes one. Idempotent.
  virtual absl::StatusOr<std::vector<std::uint64_t>> ListSetAside() = 0;
  virtual absl::Status DropSetAside(std::uint64_t number) = 0;

  // Bytes of an object: from staging/<number>.open while the pack is open (zero name), else from
  // packs/. A reader that loses the race with Finish (file gone) asks the catalog again.
  virtual absl::StatusOr<Bytes> ReadObject(const PackName& name, std::uint64_t open_number,
                                           std::uint64_t offset_bytes,
                                           std::uint32_t length_bytes) = 0;

  // Reads the whole pack and its parity; repairs what it can. ReadObject repairs too, once, when it
  // meets damage.
  virtual absl::StatusOr<PackCheck> CheckPack(const PackName& name, const ReadPace& pace) = 0;
  // Parity files whose pack is gone. How many were removed.
  virtual absl::StatusOr<std::uint64_t> RemoveOrphanedParity() = 0;

  // For a reference list that arrives in pieces.
  virtual absl::StatusOr<std::unique_ptr<StagedDocument>> Stage() = 0;
  // Takes `references`, which can still be read.
  virtual absl::Status PutRecord(const SourceId& source, std::uint64_t seq, ByteView record,
                                 StagedDocument& references) = 0;
  virtual absl::StatusOr<Bytes> GetRecord(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::StatusOr<Bytes> GetReferences(const SourceId& source, std::uint64_t seq) = 0;
  // Beside the record; replaced by a later attempt to commit the same number.
  virtual absl::Status PutCommitFacts(const SourceId& source, std::uint64_t seq,
                                      ByteView facts) = 0;
  // A record that was written but never committed in the catalog (crash between) may be replaced or
  // removed.
  virtual absl::Status RemoveRecord(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::Status PutEnvelope(const DomainId& domain, const KeyId& key, ByteView envelope) = 0;
  virtual absl::StatusOr<Bytes> GetEnvelope(const DomainId& domain, const KeyId& key) = 0;
  virtual absl::Status PutIdentity(const DomainId& domain, const AgentId& agent, ByteView identity,
                                   ByteView secrets) = 0;
  virtual absl::StatusOr<Bytes> GetIdentity(const DomainId& domain, const AgentId& agent) = 0;
  virtual absl::StatusOr<Bytes> GetSecrets(const DomainId& domain, const AgentId& agent) = 0;
  // In place of one that is damaged.
  virtual absl::Status ReplaceIdentity(const DomainId& domain, const AgentId& agent,
                                       ByteView identity) = 0;
  // Replaces the sealed secrets (new recipients).
  virtual absl::Status ReplaceSecrets(const DomainId& domain, const AgentId& agent,
                                      ByteView secrets) = 0;
  // The agent's access was taken away: remembered also when the catalog is lost.
  virtual absl::Status MarkAgentRemoved(const DomainId& domain, const AgentId& agent) = 0;
  virtual absl::Status PutOwner(const PublicKey& owner) = 0;
  virtual absl::Status PutRecipients(std::uint64_t version, ByteView document) = 0;
  // In place of the one before the last: until it is durable the last one is there.
  virtual absl::Status PutSettings(std::uint64_t generation, ByteView document) = 0;
  virtual std::vector<Bytes> GetSettings() = 0;  // those that read, in no order

  // What nothing needs any more by the catalog; absent: OK. Never for documents that may be read.
  virtual absl::Status RemovePurgedRecord(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::Status RemovePurgedReferences(const SourceId& source, std::uint64_t seq) = 0;
  virtual absl::Status RemoveEnvelope(const DomainId& domain, const KeyId& key) = 0;
  virtual absl::Status RemovePack(const PackName& name) = 0;
  // The run keys under which the objects of a finished pack are sealed, from their headers.
  virtual absl::StatusOr<std::vector<KeyId>> PackKeys(const PackName& name) = 0;

  virtual absl::StatusOr<std::uint64_t> FreeBytes() = 0;
  virtual bool writable() const = 0;  // I4
  virtual absl::Status Probe() = 0;
  // After a failed write somebody has to try whether the disk is well again.
  absl::Status ProbeAfterFailure() { return writable() ? absl::OkStatus() : Probe(); }
};

}  // namespace holdfast::store
