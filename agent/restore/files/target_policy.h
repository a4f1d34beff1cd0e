// Where a restore may go: the checks before anything is changed.
//
// Invariants: '/' and everything that touches a forbidden root is refused, however it is spelled.
// Threading:  pure but for the file system.
// Errors:     kRefused 3301, 3007; errno 3305 when the target cannot be made or opened.
#pragma once

#include "agent/restore/files/files_sink.h"
#include "common/env/unique_fd.h"

namespace holdfast::restore {

struct Target {
  UniqueFd fd;
  std::string path;  // canonical
};

// Checks, then creates the target (0700) when it is missing.
absl::StatusOr<Target> OpenTarget(const FilesRestoreOptions& options);

}  // namespace holdfast::restore
