#include "common/env/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "common/base/error.h"
#include "common/base/uninitialized.h"
#include "common/env/env.h"
#include "common/env/fail_point.h"
#include "common/env/unique_fd.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr int kCode = 1001;

absl::Status Failure(std::string_view verb, const std::string& path) {
  return ErrnoError(errno, kCode, fmt::format("unable to {} '{}'", verb, Escaped(path)));
}

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::Status Append(ByteView bytes) override {
    HOLDFAST_FAIL_POINT_AT("append", path_);
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failure("write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      idle_bytes_ += static_cast<std::size_t>(written);
    }
    BeginWriteback();
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const override {
    Bytes result = UninitializedBytes(size);
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(fd_.get(), result.data() + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Failure("read", path_);
      if (got == 0) {
        return Error(
            ErrorKind::kIntegrity, 1002,
            fmt::format("unable to read '{}': it ends at {} where {} bytes at {} are expected",
                        Escaped(path_), offset + done, size, offset));
      }
      done += static_cast<std::size_t>(got);
    }
    return result;
  }

  absl::StatusOr<std::uint64_t> Size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return Failure("stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  absl::Status Truncate(std::uint64_t size) override {
    HOLDFAST_FAIL_POINT_AT("truncate", path_);
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return Failure("truncate", path_);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    HOLDFAST_FAIL_POINT_AT("sync", path_);
    if (::fdatasync(fd_.get()) != 0) return Failure("sync", path_);
    idle_bytes_ = 0;
    return absl::OkStatus();
  }

 private:
  // The disk begins early, so that a Sync has less to wait for. Only a hint: nothing is waited for
  // here, and an error of the disk stays recorded for the Sync (sync_file_range(2) without WAIT).
  void BeginWriteback() {
    if (idle_bytes_ < kWritebackBytes) return;
    idle_bytes_ = 0;
    (void)::sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  }

  static constexpr std::size_t kWritebackBytes = 2u << 20;

  UniqueFd fd_;
  std::string path_;
  std::size_t idle_bytes_ = 0;  // appended since the disk was told to write
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override {
    return Open(path, O_RDONLY);
  }
  absl::StatusOr<std::unique_ptr<File>> Create(const std::string& path) override {
    HOLDFAST_FAIL_POINT_AT("create", path);
    return Open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenAppend(const std::string& path) override {
    return Open(path, O_RDWR | O_APPEND);
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    HOLDFAST_FAIL_POINT_AT("rename", to);
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return absl::OkStatus();
    }
    if (errno == EEXIST) return AlreadyThere("rename onto", to);
    return Failure("rename", from);
  }

  absl::Status Remove(const std::string& path) override {
    HOLDFAST_FAIL_POINT_AT("remove", path);
    if (::unlink(path.c_str()) != 0) return Failure("remove", path);
    return absl::OkStatus();
  }

  absl::Status MakeDirectories(const std::string& path) override {
    if (path.empty() || path == "/" || Exists(path)) return absl::OkStatus();
    const std::string parent = ParentPath(path);
    RETURN_IF_ERROR(MakeDirectories(parent));
    HOLDFAST_FAIL_POINT_AT("make-directory", path);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      return Failure("create directory", path);
    return SyncDirectory(parent);
  }

  absl::Status SyncDirectory(const std::string& path) override {
    HOLDFAST_FAIL_POINT_AT("sync-directory", path);
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return Failure("open directory", path);
    if (::fsync(fd.get()) != 0) return Failure("sync directory", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) override {
    std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    if (!directory) return Failure("list", path);
    std::vector<DirectoryEntry> result;
    for (errno = 0; const dirent* entry = ::readdir(directory.get()); errno = 0) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      bool is_directory = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN) {
        struct stat info {};
        if (::lstat(JoinPath(path, name).c_str(), &info) == 0) is_directory = S_ISDIR(info.st_mode);
      }
      result.push_back({name, is_directory});
    }
    if (errno != 0) return Failure("list", path);
    std::sort(result.begin(), result.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return result;
  }

  bool Exists(const std::string& path) override {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
  }

  absl::StatusOr<std::uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return Failure("stat file system of", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

  absl::StatusOr<Bytes> ReadFile(const std::string& path, std::uint64_t limit_bytes) override {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd.valid()) return Failure("read", path);
    return ReadOpened(fd, path, limit_bytes);
  }

  absl::Status WriteAtomically(const std::string& path, ByteView bytes, unsigned mode) override {
    const std::string temporary = path + ".tmp";
    if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return Failure("remove", temporary);
    UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.valid()) return Failure("create", temporary);
    PosixFile file(std::move(fd), temporary);
    absl::Status status = file.Append(bytes);
    if (status.ok()) status = file.Sync();
    if (status.ok()) status = Replace(temporary, path);
    if (!status.ok()) {
      ::unlink(temporary.c_str());
      return status;
    }
    return SyncDirectory(ParentPath(path));
  }

  absl::StatusOr<Bytes> ReadSecret(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.valid() && errno == ELOOP) {
      return Error(ErrorKind::kPermission, 1003,
                   fmt::format("unable to read secret '{}': it is a symbolic link", Escaped(path)),
                   "Name the file itself.");
    }
    if (!fd.valid()) return Failure("read secret", path);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return Failure("stat", path);
    if (!S_ISREG(info.st_mode)) {
      return Error(
          ErrorKind::kPermission, 1003,
          fmt::format("unable to read secret '{}': it is not a regular file", Escaped(path)),
          "Name a plain file with mode 600.");
    }
    if ((info.st_mode & 077) != 0) {
      return Error(
          ErrorKind::kPermission, 1003,
          fmt::format("unable to read secret '{}': group or others may read it (mode {:04o})",
                      Escaped(path), info.st_mode & 07777),
          fmt::format("chmod 600 {}", Escaped(path)));
    }
    if (info.st_uid != ::geteuid() && info.st_uid != 0) {
      return Error(ErrorKind::kPermission, 1003,
                   fmt::format("unable to read secret '{}': it belongs to user id {}",
                               Escaped(path), info.st_uid),
                   "Make the user that runs this program its owner.");
    }
    return ReadOpened(fd, path, 1 << 20);
  }

 private:
  static absl::Status Replace(const std::string& from, const std::string& to) {
    HOLDFAST_FAIL_POINT_AT("replace", to);
    if (::rename(from.c_str(), to.c_str()) != 0) return Failure("rename", from);
    return absl::OkStatus();
  }

  static absl::Status AlreadyThere(std::string_view verb, const std::string& path) {
    return Error(ErrorKind::kConflict, 1004,
                 fmt::format("unable to {} '{}': it exists already", verb, Escaped(path)));
  }

  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
    if (!fd.valid() && errno == EEXIST) return AlreadyThere("create", path);
    if (!fd.valid()) return Failure("open", path);
    return std::make_unique<PosixFile>(std::move(fd), path);
  }

  static absl::StatusOr<Bytes> ReadOpened(const UniqueFd& fd, const std::string& path,
                                          std::uint64_t limit_bytes) {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return Failure("stat", path);
    if (!S_ISREG(info.st_mode)) {
      return Error(ErrorKind::kUsage, 1005,
                   fmt::format("unable to read '{}': it is not a regular file", Escaped(path)));
    }
    Bytes result;
    char buffer[64 * 1024];
    for (;;) {
      const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Failure("read", path);
      if (got == 0) return result;
      result.append(buffer, static_cast<std::size_t>(got));
      if (result.size() > limit_bytes) {
        return Error(ErrorKind::kUsage, 1005,
                     fmt::format("unable to read '{}': it is larger than {} bytes", Escaped(path),
                                 limit_bytes));
      }
    }
  }
};

class PosixDirectoryLock final : public DirectoryLock {
 public:
  explicit PosixDirectoryLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

}  // namespace

FileSystem& RealFileSystem() {
  static PosixFileSystem fs;
  return fs;
}

Env RealEnv() { return {RealClock(), RealRng(), RealFileSystem()}; }

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Acquire(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return Failure("open lock", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failure("lock", path);
    return Error(
        ErrorKind::kConflict, 1006,
        fmt::format("unable to lock '{}': another process uses this directory", Escaped(path)),
        "Stop the other process, or name another directory.");
  }
  return std::make_unique<PosixDirectoryLock>(std::move(fd));
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  std::string result(directory);
  if (result.back() != '/') result.push_back('/');
  return result.append(name);
}

std::string ParentPath(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string ResolveExistingPrefix(const std::string& path) {
  std::string existing = path;
  std::string rest;
  while (existing.size() > 1) {
    if (char* resolved = ::realpath(existing.c_str(), nullptr); resolved != nullptr) {
      std::string result = resolved;
      std::free(resolved);
      if (!rest.empty() && result.back() == '/') result.pop_back();
      return result + rest;
    }
    while (existing.size() > 1 && existing.back() == '/') existing.pop_back();
    const std::size_t slash = existing.rfind('/');
    rest = existing.substr(slash) + rest;
    existing.resize(slash == 0 ? 1 : slash);
  }
  return rest.empty() ? existing : rest;
}

}  // namespace holdfast
