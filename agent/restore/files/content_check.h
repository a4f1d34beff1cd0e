// Is what lies on disk the content the manifest describes?
//
// Invariants: every byte of the file is looked at: data extents by XXH3-128 against content_hash,
//             what the manifest calls a hole must read as zeros.
// Threading:  pure but for the file.
#pragma once

#include <sys/stat.h>

#include <string>

#include "common/format/entry.h"

namespace holdfast::restore {

// What is wrong, in words; empty when nothing is.
std::string ContentProblem(int fd, const struct stat& info, const Entry& entry);

bool HasTime(const struct stat& info, std::int64_t mtime_ns);

}  // namespace holdfast::restore
