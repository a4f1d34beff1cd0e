#include "common/snapshot/run_keys.h"

#include <utility>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {

RunKeys::RunKeys(std::vector<Bytes> envelopes, DomainId domain, KeyPair recipient,
                 std::shared_ptr<ChunkFetcher> fetcher)
    : envelopes_(std::move(envelopes)),
      domain_(domain),
      recipient_(std::move(recipient)),
      fetcher_(std::move(fetcher)) {}

absl::StatusOr<SecretBytes> RunKeys::Find(const KeyId& id) {
  std::lock_guard lock(mutex_);
  if (const auto found = keys_.find(id); found != keys_.end()) return found->second;
  ASSIGN_OR_RETURN(const Bytes envelope, Envelope(id));
  ASSIGN_OR_RETURN(SecretBytes key, OpenKeyEnvelope(envelope, recipient_));
  keys_.emplace(id, key);
  return key;
}

absl::StatusOr<Bytes> RunKeys::Envelope(const KeyId& id) {
  for (const Bytes& envelope : envelopes_) {
    const auto peeked = PeekKeyEnvelope(envelope);
    if (peeked.ok() && *peeked == id) return envelope;
  }
  ASSIGN_OR_RETURN(Bytes envelope, fetcher_->FetchEnvelope(domain_, id));
  ASSIGN_OR_RETURN(const KeyId peeked, PeekKeyEnvelope(envelope));
  if (peeked == id) return envelope;
  return Error(ErrorKind::kIntegrity, 4062,
               fmt::format("unable to open the snapshot: the store gave another envelope than '{}'",
                           id.hex()));
}

}  // namespace holdfast
