// Plaintext of chunks by id: fetches in batches, opens, checks, and keeps the most recent ones.
//
// Hides:      batching, the cache (bounded in bytes), a pool of openers, delta bases.
// Invariants: I1  What Get returns was opened under its id; the cache never exceeds its bound by
//                 more than one batch.
//             I2  Deltas that are read in order fetch and open each base once, as long as it stays
//                 in the cache.
// Threading:  every method from any thread.
// Errors:     of the fetcher and of ObjectOpener.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/format/object.h"
#include "common/snapshot/opener.h"

namespace holdfast {

class ChunkReader {
 public:
  ChunkReader(DomainId domain, std::shared_ptr<const HmacKey> id_key,
              ObjectOpener::RunKeyLookup run_keys, std::shared_ptr<ChunkFetcher> fetcher,
              std::size_t cache_bytes = 48u << 20, ChunkIds chunk_ids = ChunkIds::kRecomputed);

  using Plaintext = std::shared_ptr<const Bytes>;
  absl::StatusOr<std::vector<Plaintext>> Get(ObjectType type, const std::vector<ChunkId>& ids);

 private:
  using BaseMap = absl::flat_hash_map<ChunkId, Plaintext>;
  absl::Status OpenAll(ObjectType type, const std::vector<ChunkId>& ids,
                       const std::vector<Bytes>& objects, std::vector<Plaintext>* opened);
  absl::Status HoldBases(const std::vector<ChunkId>& ids, BaseMap* held);
  absl::StatusOr<Plaintext> Open(ObjectType type, const ChunkId& id, ByteView object,
                                 std::optional<std::reference_wrapper<const BaseMap>> bases);
  absl::StatusOr<std::vector<Bytes>> Fetch(const std::vector<ChunkId>& ids);
  Plaintext Cached(const ChunkId& id);
  void Remember(const ChunkId& id, const Plaintext& plaintext);

  const DomainId domain_;
  const std::shared_ptr<const HmacKey> id_key_;
  const ObjectOpener::RunKeyLookup run_keys_;
  const std::shared_ptr<ChunkFetcher> fetcher_;
  const std::size_t cache_limit_bytes_;
  const ChunkIds chunk_ids_;

  std::mutex mutex_;  // guards all below
  std::vector<std::unique_ptr<ObjectOpener>> idle_openers_;
  struct CacheItem {
    ChunkId id;
    Plaintext plaintext;
  };
  std::list<CacheItem> recent_;  // newest first
  absl::flat_hash_map<ChunkId, std::list<CacheItem>::iterator> cached_;
  std::size_t cache_bytes_ = 0;
};

}  // namespace holdfast
