// Plaintext of bases: from the cache on disk, else from the controller, else not at all.
//
// Hides:      opening, a small cache in memory (neighbours share bases), run keys of old runs.
// Invariants: I1  What it gives was opened under its id.
//             I2  It never fails a run: what cannot be had is nullptr, and after a controller
//                 failed once it is not asked again.
// Threading:  every method from any thread.
#pragma once

#include <atomic>
#include <memory>

#include "agent/delta/base_cache.h"
#include "common/format/trust.h"
#include "common/snapshot/chunk_reader.h"

namespace holdfast::delta {

class BaseReader {
 public:
  struct Options {
    DomainId domain;
    std::shared_ptr<const HmacKey> id_key;
    std::shared_ptr<ChunkFetcher> remote;  // null: only the cache serves
    KeyPair recipient;                     // opens the envelopes of older runs
  };
  BaseReader(Options options, BaseCache& cache);

  struct Found {
    std::shared_ptr<const Bytes> plaintext;  // null: not to be had
    bool was_cached = true;                  // on the disk of this agent
  };
  Found Get(const ChunkId& id);

 private:
  BaseCache& cache_;
  std::unique_ptr<ChunkReader> local_;
  std::unique_ptr<ChunkReader> remote_;
  std::atomic<bool> remote_failed_{false};
};

}  // namespace holdfast::delta
