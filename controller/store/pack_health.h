// Keeps finished packs readable: reads them whole, compares them with their names, writes their
// parity and repairs them from it.
//
// Hides:      parity files, reading past bad sectors, putting a repaired pack in place.
// Invariants: I1  A pack is replaced only by bytes whose SHA-256 is its name, written beside it,
//                 synced and renamed over it.
//             I2  Parity is made of a pack that has its name, or right after it was written; it is
//                 written after the pack is in place. A crash between leaves a pack without parity,
//                 which the next check makes.
//             I3  A pack that cannot be repaired stays as it is.
// Threading:  any thread; repairs one at a time.
// Errors:     of StoreFiles; Check and Repair log what they changed.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "controller/store/pack_check.h"
#include "controller/store/store_files.h"

namespace holdfast::store {

class PackHealth {
 public:
  explicit PackHealth(std::shared_ptr<StoreFiles> files) : files_(std::move(files)) {}

  // Reads every byte of the pack and of its parity; repairs and completes what it can.
  absl::StatusOr<PackCheck> Check(const PackName& name, const ReadPace& pace);
  // After a read found damage. A pack that was found beyond repair is not read again before the
  // next Check. Not now: what was repaired could not be written; Recovered has it.
  enum class Outcome { kRepaired, kBeyond, kNotNow };
  Outcome Repair(const PackName& name);
  // The bytes that the pack should have, in memory only.
  absl::StatusOr<Bytes> Recovered(const PackName& name);

 private:
  enum class Sum { kRight, kWrong, kUnreadable };
  static absl::StatusOr<Sum> Unreadable(const absl::Status& status);
  absl::StatusOr<Sum> ReadWhole(const PackName& name, const ReadPace& pace) const;
  absl::Status RepairLocked(const PackName& name);
  absl::StatusOr<Bytes> Recover(const PackName& name, Bytes file) const;
  absl::StatusOr<bool> CompleteParity(const PackName& name) const;
  std::string PackFile(const PackName& name) const;

  const std::shared_ptr<StoreFiles> files_;
  std::mutex mutex_;           // guards all below, and one repair at a time
  std::set<PackName> beyond_;  // repair; bounded
};

// A read that failed without telling anything about what is stored: a service that is not reached
// or refuses.
bool SaysNothing(const absl::Status& status);

// The parity file of a pack that is in place, as StoreFiles says; OK without one when it is off.
absl::Status WriteParity(StoreFiles& files, const PackName& name);

}  // namespace holdfast::store
