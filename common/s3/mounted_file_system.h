// A file system of which one directory is a bucket: below it names are keys, everything else is on
// the disk. The store, its rebuilding and its scrub know no difference.
//
// Hides:      where a path lies; what is read ahead; the claim.
// Invariants: I1  Below the mount a name appears whole or not at all and is durable when it does:
//                 there are no temporary files, and SyncDirectory has nothing to do.
//             I2  Rename onto the mount takes a file of the disk, and removes it there only when
//                 the object is in the bucket.
//             I3  Nothing is written or removed in the bucket while another controller is named in
//                 its claim (claim.h).
// Threading:  as FileSystem.
// Errors:     those of client and disk; what the mount cannot do (Create, OpenAppend, ReadSecret,
//             Rename from it) is kFailed 5109.
#pragma once

#include <memory>
#include <string>

#include "common/env/file_system.h"
#include "common/s3/claim.h"
#include "common/s3/client.h"
#include "common/s3/read_ahead.h"

namespace holdfast::s3 {

class MountedFileSystem final : public FileSystem {
 public:
  // All outlive it. Without a claim nothing can be written.
  MountedFileSystem(FileSystem& disk, Clock& clock, std::string mount, Client& client, Claim* claim)
      : disk_(disk),
        mount_(std::move(mount)),
        client_(client),
        claim_(claim),
        cache_(clock, client) {}

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
  bool IsObjectStore(const std::string& path) const override;

 private:
  std::optional<std::string> KeyOf(const std::string& path) const;  // nullopt: on the disk
  absl::Status CheckClaim();

  FileSystem& disk_;
  const std::string mount_;
  Client& client_;
  Claim* const claim_;
  ReadAhead cache_;
};

}  // namespace holdfast::s3
