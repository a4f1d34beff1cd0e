// Run data keys by id, opened on first use with one recipient's key.
//
// Hides:      envelopes: those that came with a snapshot, or fetched, each once.
// Invariants: a key comes out of an envelope that names the id it was asked for.
// Threading:  any thread.
// Errors:     kIntegrity for an envelope of another key; of the fetcher and of OpenKeyEnvelope.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/snapshot/opener.h"

namespace holdfast {

class RunKeys {
 public:
  RunKeys(std::vector<Bytes> envelopes, DomainId domain, KeyPair recipient,
          std::shared_ptr<ChunkFetcher> fetcher);

  absl::StatusOr<SecretBytes> Find(const KeyId& id);

 private:
  absl::StatusOr<Bytes> Envelope(const KeyId& id);

  std::mutex mutex_;  // guards keys_
  const std::vector<Bytes> envelopes_;
  const DomainId domain_;
  const KeyPair recipient_;
  const std::shared_ptr<ChunkFetcher> fetcher_;
  absl::flat_hash_map<KeyId, SecretBytes> keys_;
};

}  // namespace holdfast
