// On what kind of file system a daemon keeps its state: some forget it, some only seem to sync.
//
// Threading: pure but for one statfs(2).
// Errors:    errno mapped as in file_system.h, code 1001.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace holdfast {

enum class MountKind { kLocal, kMemory, kNetwork };

// `magic` as in statfs(2), f_type. What is not known counts as local.
MountKind MountKindOf(long magic);
absl::StatusOr<MountKind> FindMountKind(const std::string& path);

// What an operator must be told of a data directory at `path`; empty: nothing.
std::string MountWarning(MountKind kind, const std::string& path);

}  // namespace holdfast
