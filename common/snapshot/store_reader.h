// A store directory read without catalog and without controller: what is in it, and sealed objects
// by id.
//
// Hides:      layout, pack footers, open packs of a controller that died.
// Invariants: I1  Read-only: nothing is created, changed or locked.
//             I2  A pack that does not read is reported in damage() and skipped; the rest stays
//                 usable.
// Threading:  every method from any thread after Open.
// Errors:     kNotFound, kIntegrity 4090… naming the file or the chunk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/snapshot/opener.h"

namespace holdfast {

class StoreReader final : public ChunkFetcher {
 public:
  // `directory` is a store (has packs/) or a controller's data directory (has store/ and staging/).
  static absl::StatusOr<std::shared_ptr<StoreReader>> Open(FileSystem& fs,
                                                           const std::string& directory);
  ~StoreReader() override;

  PublicKey owner() const;  // as the store says; a recovery kit is the authority
  absl::StatusOr<Bytes> NewestRecipients() const;
  std::vector<SourceId> Sources() const;
  std::vector<std::uint64_t> Snapshots(const SourceId& source) const;  // seqs, ascending
  absl::StatusOr<SnapshotDocuments> Documents(const SourceId& source, std::uint64_t seq) const;
  const std::vector<Problem>& damage() const;

  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override;
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override;

 private:
  struct Impl;
  explicit StoreReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
