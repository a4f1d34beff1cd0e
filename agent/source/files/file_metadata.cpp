#include "agent/source/files/file_metadata.h"

#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kXattrLimitBytes = 64 * 1024;  // the kernel's own limit, for list and value

using ListCall = absl::FunctionRef<ssize_t(char*, std::size_t)>;
using GetCall = absl::FunctionRef<ssize_t(const char*, char*, std::size_t)>;

int ReadAll(ListCall list, GetCall get, std::vector<char>* names, std::vector<char>* value,
            Xattrs* xattrs) {
  const ssize_t size = list(names->data(), names->size());
  if (size < 0) return errno == ENOTSUP ? 0 : errno;
  const char* end = names->data() + size;
  for (const char* name = names->data(); name < end; name += std::strlen(name) + 1) {
    const ssize_t got = get(name, value->data(), value->size());
    if (got >= 0) {
      (*xattrs)[name].assign(value->data(), static_cast<std::size_t>(got));
    } else if (errno != ENODATA && errno != ENOTSUP) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

std::int64_t Nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

EntryType TypeOf(const struct stat& info) {
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::kDirectory;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFIFO:
      return EntryType::kFifo;
    case S_IFSOCK:
      return EntryType::kSocket;
    case S_IFCHR:
      return EntryType::kCharacterDevice;
    case S_IFBLK:
      return EntryType::kBlockDevice;
    default:
      return EntryType::kFile;
  }
}

bool SameState(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mode == b.st_mode && Nanoseconds(a.st_mtim) == Nanoseconds(b.st_mtim) &&
         Nanoseconds(a.st_ctim) == Nanoseconds(b.st_ctim);
}

FileMetadata::FileMetadata() : names_(kXattrLimitBytes), value_(kXattrLimitBytes) {}

Entry FileMetadata::EntryOf(std::string_view path, const struct stat& info) {
  Entry entry;
  entry.path = path;
  entry.type = TypeOf(info);
  entry.mode = info.st_mode & 07777;
  entry.user_id = info.st_uid;
  entry.group_id = info.st_gid;
  entry.user_name = UserName(info.st_uid);
  entry.group_name = GroupName(info.st_gid);
  entry.mtime_ns = Nanoseconds(info.st_mtim);
  entry.ctime_ns = Nanoseconds(info.st_ctim);
  entry.device_id = info.st_dev;
  entry.inode = info.st_ino;
  if (entry.type == EntryType::kFile) entry.size_bytes = static_cast<std::uint64_t>(info.st_size);
  if (entry.type == EntryType::kCharacterDevice || entry.type == EntryType::kBlockDevice) {
    entry.device = info.st_rdev;
  }
  return entry;
}

int FileMetadata::ReadXattrs(int fd, Xattrs* xattrs) {
  return ReadAll([fd](char* names, std::size_t size) { return ::flistxattr(fd, names, size); },
                 [fd](const char* name, char* value, std::size_t size) {
                   return ::fgetxattr(fd, name, value, size);
                 },
                 &names_, &value_, xattrs);
}

int FileMetadata::ReadXattrsOf(int directory_fd, const char* name, Xattrs* xattrs) {
  // There is no listxattrat here; the directory's magic link keeps the walk relative to it.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory_fd, name);
  return ReadAll(
      [&](char* names, std::size_t size) { return ::llistxattr(path.c_str(), names, size); },
      [&](const char* attribute, char* value, std::size_t size) {
        return ::lgetxattr(path.c_str(), attribute, value, size);
      },
      &names_, &value_, xattrs);
}

const std::string& FileMetadata::UserName(std::uint32_t id) {
  const auto [found, added] = users_.try_emplace(id);
  if (added) {
    struct passwd record {};
    struct passwd* result = nullptr;
    if (::getpwuid_r(id, &record, value_.data(), value_.size(), &result) == 0 && result) {
      found->second = result->pw_name;
    }
  }
  return found->second;
}

const std::string& FileMetadata::GroupName(std::uint32_t id) {
  const auto [found, added] = groups_.try_emplace(id);
  if (added) {
    struct group record {};
    struct group* result = nullptr;
    if (::getgrgid_r(id, &record, value_.data(), value_.size(), &result) == 0 && result) {
      found->second = result->gr_name;
    }
  }
  return found->second;
}

}  // namespace holdfast::source
