// A file of ours that ends with the SHA-256 of what stands before: a state that may be lost.
//
// Hides:     the sum, the atomic replacement.
// Threading: pure functions over `fs`.
// Errors:    a file that is missing, unreadable, too large or damaged reads as nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/env/file_system.h"

namespace holdfast {

absl::Status WriteCheckedFile(FileSystem& fs, const std::string& path, Bytes body);
// The body, without the sum.
std::optional<Bytes> ReadCheckedFile(FileSystem& fs, const std::string& path,
                                     std::size_t limit_bytes);

}  // namespace holdfast
