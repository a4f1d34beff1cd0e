// Opens a snapshot from its stored documents with a recipient's key, over any way to fetch sealed
// objects.
//
// Hides:      trust chain, key envelopes, record, manifest, chunk cache, delta bases.
// Invariants: I1  Nothing is handed out before the chain holds: identity signed under the owner's
//                 grant, record signed by that identity, record of the source and seq that was
//                 asked for, envelope opened with the given key.
//             I2  Every chunk is opened by ObjectOpener, so its id is recomputed.
// Threading:  the view may be used from any thread; its fetcher is called from several threads.
// Errors:     kIntegrity (5) for anything that does not hold, kPermission when the key is no
//             recipient (4029).
#pragma once

#include <memory>
#include <vector>

#include "common/format/record.h"
#include "common/format/trust.h"
#include "common/snapshot/facts.h"

namespace holdfast {

// Sealed objects by chunk id. Implemented over gRPC and over a store directory.
class ChunkFetcher {
 public:
  virtual ~ChunkFetcher() = default;
  // One object per id, in order; any thread. kNotFound or kIntegrity name the chunk.
  virtual absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                                   const std::vector<ChunkId>& ids) = 0;
  // The envelope of an older run's key, as named by a chunk's header.
  virtual absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) = 0;
};

// What the store keeps beside the chunks; all of it untrusted until opened.
struct SnapshotDocuments {
  Bytes record;
  std::vector<Bytes> envelopes;
  Bytes identity;
  Bytes domain_secrets;
};

struct OpenRequest {
  SourceId source_id;
  std::uint64_t seq = 0;  // 0: accept what the record says (the caller asked for the newest)
};

struct OpenedSnapshot {
  std::shared_ptr<const SnapshotView> view;
  RecordClear clear;
  SnapshotFacts facts;
  AgentIdentity agent;
  DomainSecrets secrets;
};

absl::StatusOr<OpenedSnapshot> OpenSnapshot(const SnapshotDocuments& documents,
                                            const OpenRequest& request, const PublicKey& owner,
                                            const KeyPair& recipient,
                                            std::shared_ptr<ChunkFetcher> fetcher);

// All chunk ids of a snapshot: manifest and content, sorted, unique.
absl::StatusOr<std::vector<ChunkId>> ReferencedChunks(const OpenedSnapshot& snapshot);

// Fetches and opens every `ids` chunk (types from where they are referenced); reports damage
// instead of stopping.
struct ChunkCheck {
  std::uint64_t checked = 0;
  std::uint64_t bytes = 0;
  std::vector<Problem> damaged;  // path = chunk id, or an entry's path
};
absl::StatusOr<ChunkCheck> CheckSnapshot(
    const OpenedSnapshot& snapshot, int sample_percent, std::uint64_t seed,
    absl::FunctionRef<bool(std::uint64_t done, std::uint64_t total)> go_on);

}  // namespace holdfast
