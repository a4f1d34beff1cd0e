// Copies what is in use out of packs that hold little of it, into new ones.
//
// Hides:      filling and finishing the new pack, moving the chunks' rows.
// Invariants: I1  A chunk's row moves only after the new pack is durable under its name.
//             I2  Only objects that read whole are copied; a damaged one is marked, and its pack
//                 stays for whoever can mend it.
//             I3  Cut off anywhere it leaves a pack that holds nothing: the next run removes it.
// Threading:  one thread; backups, restores and sweeps may run beside it.
// Errors:     of catalog and store.
#pragma once

#include <memory>
#include <vector>

#include "controller/catalog/catalog.h"
#include "controller/store/store.h"

namespace holdfast::retention {

class Repacker {
 public:
  Repacker(catalog::Catalog& catalog, store::Store& store) : catalog_(catalog), store_(store) {}
  ~Repacker();
  Repacker(const Repacker&) = delete;
  Repacker& operator=(const Repacker&) = delete;

  // Copies the live objects of `pack`, which is of the same domain as those before.
  absl::Status Add(const catalog::PackWeight& pack);
  // Finishes the new pack and moves the rows. After an error nothing more is done.
  absl::Status Finish();

  std::uint64_t written_bytes() const { return written_bytes_; }
  const std::vector<ChunkId>& damaged() const { return damaged_; }

 private:
  struct Copied {
    std::int64_t from_pack = 0;
    catalog::MovedObject object;
  };

  absl::Status CopyObject(const catalog::PackWeight& pack, const PackEntry& entry);
  absl::Status Begin(const DomainId& domain);
  absl::Status MoveRows();

  catalog::Catalog& catalog_;
  store::Store& store_;
  std::unique_ptr<store::OpenPack> pack_;
  std::int64_t pack_row_ = 0;
  std::vector<Copied> copied_;
  std::uint64_t written_bytes_ = 0;
  std::vector<ChunkId> damaged_;
};

}  // namespace holdfast::retention
