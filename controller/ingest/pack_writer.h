// One session's open pack: append, sync and catalogue in groups, finish at the target size.
//
// Invariants: after Flush returned OK every object appended before is STORED. A pack that failed to
//             sync is given up and its chunks are forgotten by the catalog; the session then fails.
// Threading:  one thread.
#pragma once

#include <memory>
#include <vector>

#include "controller/catalog/catalog.h"
#include "controller/store/store.h"

namespace holdfast::ingest {

class PackWriter {
 public:
  PackWriter(catalog::Catalog& catalog, store::Store& store, DomainId domain)
      : catalog_(catalog), store_(store), domain_(domain) {}
  ~PackWriter();
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  // `bases` of a delta; they are appended before it, or there already.
  absl::Status Append(const ChunkId& id, ByteView object, std::vector<ChunkId> bases);
  absl::Status Flush();
  absl::Status Finish();  // flushes, writes the footer, moves the pack to its place
  std::uint64_t stored_bytes() const { return stored_bytes_; }
  std::uint64_t unsynced_bytes() const { return unsynced_bytes_; }

 private:
  catalog::Catalog& catalog_;
  store::Store& store_;
  const DomainId domain_;
  std::unique_ptr<store::OpenPack> pack_;
  std::int64_t pack_row_ = 0;
  std::vector<PackEntry> unsynced_;
  std::uint64_t unsynced_bytes_ = 0;  // of them
  catalog::DeltaBases unsynced_bases_;
  std::uint64_t stored_bytes_ = 0;
};

}  // namespace holdfast::ingest
