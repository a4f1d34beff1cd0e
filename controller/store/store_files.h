// What the parts of a directory store share: paths, whether writes are allowed, finished packs.
//
// Hides:      nothing; plain state with a lock.
// Invariants: writable() turns false with the first failed write or sync that is not lack of space,
//             and true again only by a probe.
// Threading:  every method from any thread.
// Errors:     kUnreachable 5011 while not writable, kNoSpace 5012 inside the reserve.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "common/env/file_system.h"
#include "common/format/pack.h"

namespace holdfast::store {

// Space left alone, so that the catalog can still commit, records be removed and packs be deleted.
inline constexpr std::uint64_t kReserveBytes = 32ull << 20;

class StoreFiles {
 public:
  StoreFiles(FileSystem& fs, std::string root, std::string staging, unsigned parity_percent)
      : fs(fs),
        root(std::move(root)),
        staging(std::move(staging)),
        parity_percent(parity_percent) {}

  // OK when writes are allowed and `bytes` fit above the reserve.
  absl::Status CheckWritable(std::uint64_t bytes) const;
  // Passes `status` on; a failure other than lack of space stops writes, and a caller may repeat
  // the whole operation later.
  absl::Status AfterWrite(absl::Status status);
  // After a sync: any failure stops writes (an fsync that failed is never repeated).
  absl::Status AfterSync(absl::Status status);
  absl::Status Probe();
  absl::StatusOr<std::uint64_t> FreeBytes() const;
  bool writable() const { return writable_.load(); }

  // Packs that are complete in staging and that a bucket did not take.
  void AddUnmoved(std::uint64_t number);
  std::set<std::uint64_t> TakeUnmoved();

  void RememberFinished(std::uint64_t number, const PackName& name);
  std::optional<PackName> Finished(std::uint64_t number) const;

  FileSystem& fs;
  const std::string root;         // of the store
  const std::string staging;      // of open packs
  const unsigned parity_percent;  // of a pack's size; 0: no parity

 private:
  std::string WhereToLook() const;
  // A storage service says itself what is wrong, and whether waiting helps; a disk does not.
  bool IsOfService(const absl::Status& status) const;

  std::atomic<bool> writable_ = true;
  mutable std::mutex mutex_;                    // guards all below
  std::map<std::uint64_t, PackName> finished_;  // the newest few
  std::set<std::uint64_t> unmoved_;
};

}  // namespace holdfast::store
