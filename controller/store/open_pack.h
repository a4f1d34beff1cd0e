// A pack being filled on a local directory: the OpenPack of DirectoryStore.
//
// Hides:      running hash, what is synced so far, giving up.
// Invariants: as OpenPack in store.h; after giving up the file ends with the last synced object.
// Threading:  one thread at a time.
// Errors:     of StoreFiles; kUnreachable 5010 once given up.
#pragma once

#include <memory>
#include <vector>

#include "common/crypto/crypto.h"
#include "controller/store/store.h"
#include "controller/store/store_files.h"

namespace holdfast::store {

class DirectoryOpenPack final : public OpenPack {
 public:
  static absl::StatusOr<std::unique_ptr<OpenPack>> Create(std::shared_ptr<StoreFiles> files,
                                                          std::uint64_t number);

  std::uint64_t number() const override { return number_; }
  std::uint64_t size_bytes() const override { return size_bytes_; }
  absl::StatusOr<PackEntry> Append(const ChunkId& id, ByteView object) override;
  absl::Status Sync() override;
  absl::StatusOr<PackName> Finish() override;

 private:
  enum class State { kFilling, kDone, kGivenUp };

  DirectoryOpenPack(std::shared_ptr<StoreFiles> files, std::uint64_t number,
                    std::unique_ptr<File> file)
      : files_(std::move(files)), number_(number), file_(std::move(file)) {}

  absl::Status CheckFilling() const;
  // All of `bytes` at the end, or nothing.
  absl::Status AppendWhole(ByteView bytes);
  absl::Status GiveUp(absl::Status status);
  absl::StatusOr<PackName> RemoveEmpty();

  const std::shared_ptr<StoreFiles> files_;
  const std::uint64_t number_;
  std::unique_ptr<File> file_;
  State state_ = State::kFilling;
  Sha256Hasher hasher_;
  std::vector<PackEntry> entries_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t synced_bytes_ = 0;
};

}  // namespace holdfast::store
