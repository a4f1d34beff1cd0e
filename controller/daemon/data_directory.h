// Whether what lies in the data directory belongs together, before anybody is served from it.
//
// Hides:     where the three parts (store, catalog, identity) say whose they are.
// Threading: any thread; nothing is changed.
// Errors:    kIntegrity 5070, kConflict 5077 and 5078 as below.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/env/file_system.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::daemon {

// The controller's id in the server's certificate, where agents expect it; empty: there is none.
Bytes IdentityController(FileSystem& fs, const std::string& data_directory);

// The store has an owner, so the catalog must be there too: else 5070.
absl::Status CheckCatalogIsThere(FileSystem& fs, const std::string& data_directory);

// Store (5077) and identity (5078) are those of the catalog, not of another controller.
absl::Status CheckBelongsTogether(FileSystem& fs, const std::string& data_directory,
                                  const catalog::Installation& installation);

}  // namespace holdfast::daemon
