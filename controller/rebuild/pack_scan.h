// What one pack holds, for the catalog: from its index and the objects' own headers, or by scanning
// when the index is damaged.
//
// Hides:      reading a pack of small objects at once and one of large objects by their headers.
// Invariants: what is returned as a chunk has a header that names it, within the file.
// Threading:  pure functions over `fs`.
// Errors:     of the file system; damage is no error but a text in `damage`.
#pragma once

#include "common/env/file_system.h"
#include "controller/catalog/catalog_builder.h"

namespace holdfast::rebuild {

struct ScannedPack {
  catalog::FoundPack pack;  // a zero domain: it holds no readable object
  std::vector<catalog::FoundChunk> chunks;
  std::vector<std::string> damage;
};

absl::StatusOr<ScannedPack> ScanPack(FileSystem& fs, const std::string& path, const PackName& name);

}  // namespace holdfast::rebuild
