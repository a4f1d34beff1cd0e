// After a restart: the rows of packs that were open are brought in line with what the store
// recovered. May be cut off anywhere and run again.
// Threading:  before anybody else uses the two.
// Errors:     of catalog and store.
#pragma once

#include <vector>

#include "controller/catalog/catalog.h"
#include "controller/store/store.h"

namespace holdfast::ingest {

// With the store in a bucket: packs that it did not take are moved now. OK: none is left. From any
// thread, at any time.
absl::Status MoveRest(catalog::Catalog& catalog, store::Store& store);

absl::Status AdoptRecoveredPacks(catalog::Catalog& catalog, store::Store& store,
                                 const std::vector<store::RecoveredPack>& recovered);

}  // namespace holdfast::ingest
