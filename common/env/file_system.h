// The narrow seam to the disk for everything Holdfast stores itself (packs, state, keys).
//
// Hides:      short writes, EINTR, fsync of file and directory, temporary names.
// Invariants: I1  A path given to WriteAtomically exists afterwards with the old or the new
//                 content, never with part of one, also after power loss; success means the new
//                 one is durable.
//             I2  An fsync that failed is reported and never repeated on the same file.
// Threading:  FileSystem methods from any thread; one File belongs to one thread at a time, except
//             ReadAt, which may run beside anything.
// Errors:     errno mapped by ErrnoError (kNoSpace, kPermission, kNotFound, kFailed), code 1001.
// The files source does not use it: it walks by descriptor, see agent/source/files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"

namespace holdfast {

class File {
 public:
  virtual ~File() = default;
  virtual absl::Status Append(ByteView bytes) = 0;  // all of it or an error
  // Exactly `size` bytes at `offset`, else kIntegrity when the file is shorter.
  virtual absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const = 0;
  virtual absl::StatusOr<std::uint64_t> Size() const = 0;
  virtual absl::Status Truncate(std::uint64_t size) = 0;
  virtual absl::Status Sync() = 0;  // fdatasync
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) = 0;
  // Creates exclusively (fails with kConflict when it exists), mode 0600.
  virtual absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<File>> OpenAppend(const std::string& path) = 0;

  // Does not replace: kConflict when `to` exists. Not durable before SyncDirectory.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status MakeDirectories(const std::string& path) = 0;  // 0700, parents too, durable
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) = 0;  // by name
  virtual bool Exists(const std::string& path) = 0;
  virtual absl::StatusOr<std::uint64_t> FreeBytes(const std::string& path) = 0;

  // Whole file; kUsage when larger than `limit_bytes`.
  virtual absl::StatusOr<Bytes> ReadFile(const std::string& path,
                                         std::uint64_t limit_bytes = 64ull << 20) = 0;
  virtual absl::Status WriteAtomically(const std::string& path, ByteView bytes,
                                       unsigned mode = 0600) = 0;  // I1
  // Like ReadFile, for keys and passwords: kPermission unless the path is a regular file owned by
  // this user (or root) with no permission for group and others.
  virtual absl::StatusOr<Bytes> ReadSecret(const std::string& path) = 0;

  // Names below `path` are objects of a remote service (common/s3): they appear whole or not at
  // all, directories need not be made, and a failed read says nothing about what is there.
  virtual bool IsObjectStore(const std::string& path) const {
    (void)path;
    return false;
  }
};

FileSystem& RealFileSystem();

// Exclusive flock on `path`, held until destroyed or the process dies.
class DirectoryLock {
 public:
  // kConflict when another process holds it.
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Acquire(const std::string& path);
  virtual ~DirectoryLock() = default;
};

std::string JoinPath(std::string_view directory, std::string_view name);
std::string ParentPath(std::string_view path);
// `path` with symbolic links resolved as far as it exists (realpath(3)); the rest word for word.
std::string ResolveExistingPrefix(const std::string& path);

}  // namespace holdfast
