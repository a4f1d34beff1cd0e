// The index of a pack on disk: of a finished one read from its end with every bound checked, of an
// open one found by scanning.
//
// Hides:      trailer and footer arithmetic.
// Invariants: every entry lies between the header and the footer of the file as it is now.
// Threading:  pure functions.
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

// Like ScanOpenPack, but a damaged region costs the objects in it only, not those behind it:
// valid_bytes is the end of the last whole object. `file` begins with the header of a pack.
PackScan ScanAcrossDamage(ByteView file);

}  // namespace holdfast
