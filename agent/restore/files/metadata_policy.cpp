#include "agent/restore/files/metadata_policy.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::uint32_t kSetIdBits = 06000;
constexpr std::size_t kXattrLimitBytes = 64 * 1024;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Attributes a file may have got by itself (inherited ACLs) or from before: removed when not
// wanted.
bool IsManaged(std::string_view xattr) {
  return StartsWith(xattr, "user.") || StartsWith(xattr, "system.posix_acl_");
}

struct timespec TimeOf(std::int64_t nanoseconds) {
  std::int64_t seconds = nanoseconds / 1'000'000'000;
  std::int64_t rest = nanoseconds % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  struct timespec time {};
  time.tv_sec = seconds;
  time.tv_nsec = rest;
  return time;
}

std::int64_t Nanoseconds(const struct timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

bool IsSpecial(const Entry& entry) {
  return entry.type == EntryType::kFifo || entry.type == EntryType::kSocket ||
         entry.type == EntryType::kCharacterDevice || entry.type == EntryType::kBlockDevice;
}

// Names of the attributes at `list`, a NUL-separated buffer.
std::vector<std::string> NamesIn(const std::vector<char>& list, ssize_t size) {
  std::vector<std::string> names;
  for (ssize_t at = 0; at < size;) {
    names.emplace_back(list.data() + at);
    at += static_cast<ssize_t>(names.back().size()) + 1;
  }
  return names;
}

std::vector<char>& AttributeBuffer() {
  thread_local std::vector<char> buffer(kXattrLimitBytes);
  return buffer;
}

}  // namespace

mode_t FormatOf(EntryType type) {
  if (type == EntryType::kSymlink) return S_IFLNK;
  if (type == EntryType::kFifo) return S_IFIFO;
  if (type == EntryType::kSocket) return S_IFSOCK;
  if (type == EntryType::kCharacterDevice) return S_IFCHR;
  HOLDFAST_CHECK(type == EntryType::kBlockDevice);
  return S_IFBLK;
}

MetadataPolicy::MetadataPolicy(const FilesRestoreOptions& options, RestoreLedger& ledger)
    : options_(options), ledger_(ledger), is_root_(::geteuid() == 0), own_user_id_(::geteuid()) {}

bool MetadataPolicy::MayCreate(const Entry& entry) const {
  const bool device =
      entry.type == EntryType::kCharacterDevice || entry.type == EntryType::kBlockDevice;
  return !device || (options_.allow_devices && is_root_);
}

MetadataPolicy::Owner MetadataPolicy::OwnerOf(const Entry& entry) const {
  Owner owner;
  if (!is_root_) return owner;
  owner = {true, entry.user_id, entry.group_id};
  if (options_.numeric_ids) return owner;
  std::lock_guard lock(mutex_);
  std::vector<char>& buffer = AttributeBuffer();
  if (!entry.user_name.empty()) {
    const auto [found, added] = users_.try_emplace(entry.user_name, -1);
    struct passwd record {};
    struct passwd* result = nullptr;
    if (added &&
        ::getpwnam_r(entry.user_name.c_str(), &record, buffer.data(), buffer.size(), &result) ==
            0 &&
        result != nullptr) {
      found->second = result->pw_uid;
    }
    if (found->second >= 0) owner.user_id = static_cast<std::uint32_t>(found->second);
  }
  if (!entry.group_name.empty()) {
    const auto [found, added] = groups_.try_emplace(entry.group_name, -1);
    struct group record {};
    struct group* result = nullptr;
    if (added &&
        ::getgrnam_r(entry.group_name.c_str(), &record, buffer.data(), buffer.size(), &result) ==
            0 &&
        result != nullptr) {
      found->second = result->gr_gid;
    }
    if (found->second >= 0) owner.group_id = static_cast<std::uint32_t>(found->second);
  }
  return owner;
}

// A directory's setgid bit only makes new files inherit its group: it grants nobody anything.
std::uint32_t MetadataPolicy::ModeOf(const Entry& entry) const {
  if (entry.type == EntryType::kDirectory) return entry.mode & 03777;
  if (options_.preserve_privileged && is_root_) return entry.mode & 07777;
  return entry.mode & 07777 & ~kSetIdBits;
}

bool MetadataPolicy::MaySet(const std::string& xattr) const {
  return IsManaged(xattr) || (options_.preserve_privileged && is_root_);
}

void MetadataPolicy::ReportWithheld(const Entry& entry) {
  if (ModeOf(entry) != (entry.mode & 07777)) {
    ledger_.Withheld("entries lost their setuid or setgid bits", entry.path);
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (MaySet(name)) continue;
    ledger_.Withheld("entries lost privileged extended attributes", entry.path);
    break;
  }
  if (!is_root_ && entry.user_id != own_user_id_) {
    ledger_.Withheld("entries belonged to another user and now belong to this one", entry.path);
  }
}

absl::Status MetadataPolicy::Failed(const Entry& entry, std::string_view what, int error_number) {
  if (error_number == ENOSPC || error_number == EDQUOT) {
    return ErrnoError(error_number, 3304,
                      fmt::format("unable to set {} of '{}'", what, Escaped(entry.path)));
  }
  ledger_.Incomplete(entry.path,
                     fmt::format("unable to set its {}: {}", what, std::strerror(error_number)));
  return absl::OkStatus();
}

absl::Status MetadataPolicy::SetXattrs(int fd, const Entry& entry) {
  const ssize_t size = ::flistxattr(fd, AttributeBuffer().data(), AttributeBuffer().size());
  if (size > 0) {
    for (const std::string& name : NamesIn(AttributeBuffer(), size)) {
      if (IsManaged(name) && !entry.xattrs.contains(name)) (void)::fremovexattr(fd, name.c_str());
    }
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (!MaySet(name)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
      RETURN_IF_ERROR(Failed(entry, "extended attribute " + Escaped(name), errno));
    }
  }
  return absl::OkStatus();
}

absl::Status MetadataPolicy::SetXattrs(const std::string& path, const Entry& entry) {
  for (const auto& [name, value] : entry.xattrs) {
    if (!MaySet(name)) continue;
    if (::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0) {
      RETURN_IF_ERROR(Failed(entry, "extended attribute " + Escaped(name), errno));
    }
  }
  return absl::OkStatus();
}

absl::Status MetadataPolicy::Apply(int fd, const Entry& entry) {
  ReportWithheld(entry);
  const Owner owner = OwnerOf(entry);
  if (owner.set && ::fchown(fd, owner.user_id, owner.group_id) != 0) {
    RETURN_IF_ERROR(Failed(entry, "owner", errno));
  }
  RETURN_IF_ERROR(SetXattrs(fd, entry));
  if (::fchmod(fd, ModeOf(entry)) != 0) RETURN_IF_ERROR(Failed(entry, "mode", errno));
  const struct timespec times[2] = {{0, UTIME_OMIT}, TimeOf(entry.mtime_ns)};
  if (::futimens(fd, times) != 0) RETURN_IF_ERROR(Failed(entry, "time", errno));
  return absl::OkStatus();
}

absl::Status MetadataPolicy::ApplyByName(int directory_fd, const std::string& name,
                                         const Entry& entry) {
  ReportWithheld(entry);
  const Owner owner = OwnerOf(entry);
  if (owner.set && ::fchownat(directory_fd, name.c_str(), owner.user_id, owner.group_id,
                              AT_SYMLINK_NOFOLLOW) != 0) {
    RETURN_IF_ERROR(Failed(entry, "owner", errno));
  }
  RETURN_IF_ERROR(SetXattrs(fmt::format("/proc/self/fd/{}/{}", directory_fd, name), entry));
  if (entry.type != EntryType::kSymlink) {
    // There is no fchmodat without following here: the descriptor's magic link is the way.
    const UniqueFd fd(::openat(directory_fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const std::string self = fmt::format("/proc/self/fd/{}", fd.get());
    if (!fd.valid() || ::chmod(self.c_str(), ModeOf(entry)) != 0) {
      RETURN_IF_ERROR(Failed(entry, "mode", errno));
    }
  }
  const struct timespec times[2] = {{0, UTIME_OMIT}, TimeOf(entry.mtime_ns)};
  if (::utimensat(directory_fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    RETURN_IF_ERROR(Failed(entry, "time", errno));
  }
  return absl::OkStatus();
}

std::string MetadataPolicy::Differences(const Entry& entry, const struct stat& info, int fd) const {
  std::string differences;
  const auto differs = [&](std::string_view what, auto is, auto expected) {
    if (!differences.empty()) differences += "; ";
    differences += fmt::format("{} is {} instead of {}", what, is, expected);
  };
  const std::uint32_t mode = info.st_mode & 07777;
  if (entry.type != EntryType::kSymlink && mode != ModeOf(entry)) {
    differs("mode", fmt::format("{:04o}", mode), fmt::format("{:04o}", ModeOf(entry)));
  }
  const Owner owner = OwnerOf(entry);
  if (owner.set && info.st_uid != owner.user_id) differs("user id", info.st_uid, owner.user_id);
  if (owner.set && info.st_gid != owner.group_id) differs("group id", info.st_gid, owner.group_id);
  if (Nanoseconds(info.st_mtim) != entry.mtime_ns) {
    differs("mtime in ns", Nanoseconds(info.st_mtim), entry.mtime_ns);
  }
  if (IsSpecial(entry) && entry.device != info.st_rdev) {
    differs("device", info.st_rdev, entry.device);
  }
  if (fd < 0) return differences;
  for (const auto& [name, value] : entry.xattrs) {
    if (!MaySet(name)) continue;
    const ssize_t size =
        ::fgetxattr(fd, name.c_str(), AttributeBuffer().data(), AttributeBuffer().size());
    if (size < 0 ||
        std::string_view(AttributeBuffer().data(), static_cast<std::size_t>(size)) != value) {
      differs("extended attribute " + Escaped(name), "different", "as it was");
    }
  }
  const ssize_t size = ::flistxattr(fd, AttributeBuffer().data(), AttributeBuffer().size());
  for (const std::string& name : NamesIn(AttributeBuffer(), std::max<ssize_t>(size, 0))) {
    if (IsManaged(name) && !entry.xattrs.contains(name)) {
      differs("extended attribute " + Escaped(name), "there", "absent");
    }
  }
  return differences;
}

}  // namespace holdfast::restore
