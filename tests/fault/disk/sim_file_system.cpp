#include "tests/fault/disk/sim_file_system.h"

#include <cerrno>

#include "common/base/error.h"

namespace holdfast::test {
namespace {

absl::Status Failure(const std::string& path, int error = EIO) {
  return ErrnoError(error, 1001, "unable to use '" + path + "' (simulated)");
}

absl::Status Done(bool done, const std::string& path) {
  return done ? absl::OkStatus() : Failure(path);
}

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::string path, std::shared_ptr<SimInode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}

  absl::Status Append(ByteView bytes) override {
    return Done(disk_.Write(path_, *inode_, inode_->now.size(), bytes), path_);
  }
  absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const override {
    if (disk_.dead()) return Failure(path_);
    if (offset + size > inode_->now.size()) {
      return Error(ErrorKind::kIntegrity, 1002, "unable to read '" + path_ + "': it ends before");
    }
    return inode_->now.substr(offset, size);
  }
  absl::StatusOr<std::uint64_t> Size() const override { return inode_->now.size(); }
  absl::Status Truncate(std::uint64_t size) override {
    return Done(disk_.Truncate(path_, *inode_, size), path_);
  }
  absl::Status Sync() override { return Done(disk_.Sync(path_, *inode_), path_); }

 private:
  SimDisk& disk_;
  const std::string path_;
  const std::shared_ptr<SimInode> inode_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<File>> SimFileSystem::OpenRead(const std::string& path) {
  return OpenAppend(path);
}

absl::StatusOr<std::unique_ptr<File>> SimFileSystem::Create(const std::string& path) {
  if (disk_.Exists(path)) return Error(ErrorKind::kConflict, 1004, "'" + path + "' exists");
  if (!disk_.IsDirectory(ParentPath(path))) return Failure(path, ENOENT);
  auto inode = disk_.Create(path);
  if (!inode) return Failure(path);
  return std::make_unique<SimFile>(disk_, path, std::move(inode));
}

absl::StatusOr<std::unique_ptr<File>> SimFileSystem::OpenAppend(const std::string& path) {
  if (disk_.dead()) return Failure(path);
  auto inode = disk_.Find(path);
  if (!inode) return Failure(path, ENOENT);
  return std::make_unique<SimFile>(disk_, path, std::move(inode));
}

absl::Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  if (disk_.dead()) return Failure(from);
  if (!disk_.Find(from) || !disk_.IsDirectory(ParentPath(to))) return Failure(from, ENOENT);
  if (disk_.Exists(to)) return Error(ErrorKind::kConflict, 1004, "'" + to + "' exists");
  return Done(disk_.Rename(from, to), from);
}

absl::Status SimFileSystem::Remove(const std::string& path) {
  if (disk_.dead()) return Failure(path);
  if (!disk_.Find(path)) return Failure(path, ENOENT);
  return Done(disk_.Remove(path), path);
}

absl::Status SimFileSystem::MakeDirectories(const std::string& path) {
  if (path.empty() || path == "/" || Exists(path)) return absl::OkStatus();
  const std::string parent = ParentPath(path);
  RETURN_IF_ERROR(MakeDirectories(parent));
  if (!disk_.MakeDirectory(path)) return Failure(path);
  return SyncDirectory(parent);
}

absl::Status SimFileSystem::SyncDirectory(const std::string& path) {
  if (!disk_.IsDirectory(path)) return Failure(path, ENOENT);
  return Done(disk_.SyncDirectory(path), path);
}

absl::StatusOr<std::vector<DirectoryEntry>> SimFileSystem::List(const std::string& path) {
  if (disk_.dead()) return Failure(path);
  if (!disk_.IsDirectory(path)) return Failure(path, ENOENT);
  std::vector<DirectoryEntry> entries;
  for (const std::string& name : disk_.Names(path)) {
    entries.push_back({name, disk_.IsDirectory(JoinPath(path, name))});
  }
  return entries;
}

absl::StatusOr<Bytes> SimFileSystem::ReadFile(const std::string& path, std::uint64_t limit_bytes) {
  if (disk_.dead()) return Failure(path);
  const auto inode = disk_.Find(path);
  if (!inode) return Failure(path, ENOENT);
  if (inode->now.size() > limit_bytes) {
    return Error(ErrorKind::kUsage, 1005, "'" + path + "' is larger than expected");
  }
  return inode->now;
}

absl::Status SimFileSystem::WriteAtomically(const std::string& path, ByteView bytes, unsigned) {
  const std::string temporary = path + ".tmp";
  if (Exists(temporary)) RETURN_IF_ERROR(Remove(temporary));
  {
    ASSIGN_OR_RETURN(const auto file, Create(temporary));
    absl::Status status = file->Append(bytes);
    if (status.ok()) status = file->Sync();
    if (status.ok()) status = Done(disk_.Rename(temporary, path), path);
    if (!status.ok()) {
      if (Exists(temporary)) Remove(temporary).IgnoreError();
      return status;
    }
  }
  return SyncDirectory(ParentPath(path));
}

absl::StatusOr<Bytes> SimFileSystem::ReadSecret(const std::string& path) {
  return ReadFile(path, 1 << 20);
}

}  // namespace holdfast::test
