#include "common/env/mount.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

// Not in linux/magic.h of every kernel.
constexpr long kNfs = 0x6969;
constexpr long kSmb2 = 0xFE534D42;
constexpr long kCifs = 0xFF534D42;
constexpr long kCeph = 0x00C36400;
constexpr long kPlan9 = 0x01021997;

}  // namespace

MountKind MountKindOf(long magic) {
  switch (magic & 0xFFFFFFFF) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return MountKind::kMemory;
    case kNfs:
    case kSmb2:
    case kCifs:
    case kCeph:
    case kPlan9:
    case SMB_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
      return MountKind::kNetwork;
    default:
      return MountKind::kLocal;
  }
}

absl::StatusOr<MountKind> FindMountKind(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) {
    return ErrnoError(errno, 1001, fmt::format("unable to look at '{}'", Escaped(path)));
  }
  return MountKindOf(static_cast<long>(info.f_type));
}

std::string MountWarning(MountKind kind, const std::string& path) {
  switch (kind) {
    case MountKind::kMemory:
      return fmt::format(
          "the data directory '{}' lies in memory (tmpfs): all of it is gone when this host starts "
          "again",
          Escaped(path));
    case MountKind::kNetwork:
      return fmt::format(
          "the data directory '{}' lies on a network file system: locks and syncs may not hold "
          "there; use a local disk",
          Escaped(path));
    case MountKind::kLocal:
      break;
  }
  return "";
}

}  // namespace holdfast
