#include "agent/restore/files/target_tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {

int OpenBeneath(int directory_fd, const char* name, std::uint64_t flags) {
  struct open_how how {};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = ::syscall(SYS_openat2, directory_fd, name, &how, sizeof how);
    // EAGAIN: a rename elsewhere made the kernel unsure about "..", which no name of ours has.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
}

absl::StatusOr<int> DirectoryCache::Open(std::string_view path, Missing missing) {
  const auto covers = [&](const Level& level) {
    return level.path_size <= path.size() &&
           path.compare(0, level.path_size, path_, 0, level.path_size) == 0 &&
           (level.path_size == path.size() || path[level.path_size] == '/');
  };
  while (!levels_.empty() && !covers(levels_.back())) levels_.pop_back();
  std::size_t done = levels_.empty() ? 0 : levels_.back().path_size;
  path_ = path;
  while (done < path.size()) {
    const std::size_t begin = done == 0 ? 0 : done + 1;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name(path.substr(begin, end - begin));
    const int parent = levels_.empty() ? target_fd_ : levels_.back().fd.get();
    UniqueFd fd(OpenBeneath(parent, name.c_str(), O_RDONLY | O_DIRECTORY));
    if (!fd.valid() && errno == ENOENT && missing == Missing::kCreate) {
      if (::mkdirat(parent, name.c_str(), 0700) == 0 || errno == EEXIST) {
        fd = UniqueFd(OpenBeneath(parent, name.c_str(), O_RDONLY | O_DIRECTORY));
      }
    }
    if (!fd.valid()) {
      const int error = errno;
      return ErrnoError(error, 3305,
                        fmt::format("unable to open directory '{}'", Escaped(path.substr(0, end))));
    }
    levels_.push_back({end, std::move(fd)});
    if (levels_.size() > kOpenDirectories) levels_.erase(levels_.begin());
    done = end;
  }
  return levels_.empty() ? target_fd_ : levels_.back().fd.get();
}

absl::StatusOr<Place> DirectoryCache::Parent(std::string_view path, Missing missing) {
  const std::size_t slash = path.rfind('/');
  const std::string_view parent =
      slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  ASSIGN_OR_RETURN(const int fd, Open(parent, missing));
  return Place{fd, std::string(slash == std::string_view::npos ? path : path.substr(slash + 1))};
}

}  // namespace holdfast::restore
