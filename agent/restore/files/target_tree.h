// The target directory of a restore, and the one way to names beneath it.
//
// Hides:      openat2, the descriptors of recently used directories.
// Invariants: I1  Every step is openat2(BENEATH | NO_SYMLINKS | NO_MAGICLINKS) of one component, so
//                 a link planted meanwhile is refused, never followed.
//             I2  At most kOpenDirectories descriptors are kept, whatever the depth.
// Threading:  a DirectoryCache belongs to one thread; several may share one target.
// Errors:     errno, code 3305; ELOOP and ENOTDIR name the component in the way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/env/unique_fd.h"

namespace holdfast::restore {

// A path split for the *at calls.
struct Place {
  int directory_fd = -1;  // valid until the cache's next call
  std::string name;
};

enum class Missing { kFail, kCreate };  // directories on the way

class DirectoryCache {
 public:
  static constexpr std::size_t kOpenDirectories = 48;

  // `target_fd` outlives the cache.
  explicit DirectoryCache(int target_fd) : target_fd_(target_fd) {}

  // A descriptor of the directory `path` ("" is the target), valid until the next call.
  absl::StatusOr<int> Open(std::string_view path, Missing missing);
  // The directory that holds `path`, and the last component.
  absl::StatusOr<Place> Parent(std::string_view path, Missing missing);

 private:
  struct Level {
    std::size_t path_size = 0;  // of the part of path_ it stands for
    UniqueFd fd;
  };

  const int target_fd_;
  std::string path_;
  std::vector<Level> levels_;  // a run of consecutive levels, the deepest last
};

// openat2 with the flags of I1; -1 and errno.
int OpenBeneath(int directory_fd, const char* name, std::uint64_t flags);

}  // namespace holdfast::restore
