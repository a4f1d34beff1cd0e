// The index of a finished pack on disk, read from its end with every bound checked.
//
// Hides:      trailer and footer arithmetic.
// Invariants: every entry lies between the header and the footer of the file as it is now.
// Threading:  pure function on a file.
// Errors:     kIntegrity 4030… naming the file; those of the file system.
#pragma once

#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/format/pack.h"

namespace holdfast {

struct PackIndex {
  std::vector<PackEntry> entries;
  std::uint64_t footer_offset = 0;
  std::uint64_t size_bytes = 0;
};

absl::StatusOr<PackIndex> ReadPackIndex(FileSystem& fs, const std::string& path);

}  // namespace holdfast
