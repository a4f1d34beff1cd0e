// The FileSystem of a SimDisk: the same steps as the real one takes, one by one.
#pragma once

#include "common/env/file_system.h"
#include "tests/fault/disk/sim_disk.h"

namespace holdfast::test {

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(SimDisk& disk) : disk_(disk) {}

  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenAppend(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectories(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override;
  bool Exists(const std::string& path) override { return disk_.Exists(path); }
  absl::StatusOr<std::uint64_t> FreeBytes(const std::string&) override { return 1ull << 40; }
  absl::StatusOr<Bytes> ReadFile(const std::string& path, std::uint64_t limit_bytes) override;
  absl::Status WriteAtomically(const std::string& path, ByteView bytes, unsigned mode) override;
  absl::StatusOr<Bytes> ReadSecret(const std::string& path) override;

 private:
  SimDisk& disk_;
};

}  // namespace holdfast::test
