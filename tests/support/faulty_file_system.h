// The real file system with one fault, or a crash, at the n-th changing step.
//
// Changing steps are Create, Append, Truncate, Sync, Rename, Remove, MakeDirectories, SyncDirectory
// and WriteAtomically. A loop over n = 0, 1, 2, … until fired() stays false covers every step,
// also those that are added later.
// Nothing is really synced: what is synced is book-kept for LosePower, and tests stay fast.
// Threading: one thread.
#pragma once

#include <map>

#include "common/env/file_system.h"

namespace holdfast::test {

enum class Fault {
  kNone,
  kError,      // the step does nothing and fails (EIO)
  kLateError,  // the step happens and fails
  kNoSpace,    // an Append writes half and fails; other steps do nothing and fail
  kCrash,      // the step and all after it do nothing: the process is dead
};

class FaultyFileSystem final : public FileSystem {
 public:
  void FailAt(int step, Fault fault);
  bool fired() const { return fired_; }
  void Heal() { fault_ = Fault::kNone; }
  // What power loss leaves: appended bytes that were not synced are cut, or half of them stay.
  void LosePower(bool keep_half);

  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenAppend(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectories(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  absl::StatusOr<std::uint64_t> FreeBytes(const std::string& path) override;
  absl::StatusOr<Bytes> ReadFile(const std::string& path, std::uint64_t limit_bytes) override;
  absl::Status WriteAtomically(const std::string& path, ByteView bytes, unsigned mode) override;
  absl::StatusOr<Bytes> ReadSecret(const std::string& path) override;

  // Reads of this file that touch the byte fail (EIO), as from a bad sector. "": none does.
  void FailReadsAt(std::string path, std::uint64_t offset) {
    bad_path_ = std::move(path);
    bad_offset_ = offset;
  }
  void SetFreeBytes(std::uint64_t bytes) { free_bytes_ = bytes; }

 private:
  friend class FaultyFile;
  enum class Decision { kDo, kDoAndFail, kFail, kHalf };
  Decision Step();
  absl::Status Failure() const;
  template <typename Action>
  absl::Status Run(Action action);

  FileSystem& real_ = RealFileSystem();
  Fault fault_ = Fault::kNone;
  int steps_left_ = 0;
  bool fired_ = false;
  bool dead_ = false;
  std::string bad_path_;
  std::uint64_t bad_offset_ = 0;
  std::uint64_t free_bytes_ = 1ull << 40;
  std::map<std::string, std::uint64_t> synced_bytes_;  // of files opened for writing
};

}  // namespace holdfast::test
