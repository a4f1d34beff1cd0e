// The catalog made anew from the store alone: no keys, no old catalog.
//
// Hides:      walking the store, which chains of reference lists hold, moving the old files aside.
// Invariants: I1  The store is read; nothing in it is changed but what Store::Open recovers of
//                 open packs, and packs that parity repairs.
//             I2  The old catalog is moved aside, never deleted, and only after the new one is
//                 whole; an interrupted rebuild is run again.
//             I3  What is damaged is named and left out, what is readable is taken; a record counts
//                 only when an agent of this owner signed it.
// Threading:  one thread; the controller must not run (the caller holds the data directory's lock).
// Errors:     of the file system and the catalog; kRefused 5072 when there is no store.
//
// What the store does not know comes back by itself or not at all: names and kinds of sources,
// hosts and versions when their agent connects; keys of agents' certificates at their first
// connection (see access.h); join tokens, the last failure of a source and when it was verified are
// gone. What operators set by command is in the store (settings_copy.h).
#pragma once

#include <functional>
#include <optional>

#include "common/env/env.h"
#include "common/format/parity.h"
#include "controller/catalog/catalog_builder.h"

namespace holdfast::rebuild {

struct Finding {
  std::string what;  // a path below the store, or a snapshot
  std::string reason;
};

// What operators had set by command.
struct FoundSettings {
  absl::Time written_at;
  bool taken = false;  // else: nothing says that this controller wrote it
  catalog::CatalogBuilder::Imported imported;
};

struct RebuildReport {
  std::uint64_t packs = 0;
  std::uint64_t pack_bytes = 0;
  std::uint64_t objects = 0;
  std::uint64_t agents = 0;
  std::uint64_t sources = 0;
  std::uint64_t snapshots = 0;
  catalog::CatalogBuilder::Counts chunks;
  std::optional<FoundSettings> settings;
  std::string moved_aside;         // where the old catalog is; empty: there was none
  std::vector<Finding> damage;     // something is lost or may be
  std::vector<std::string> notes;  // worth knowing, nothing is lost
  absl::Duration seconds;
};

struct RebuildOptions {
  std::string data_directory;
  // Of the certificates that agents have; empty: made anew, and agents enrol again.
  Bytes controller_id;
  std::function<void(const std::string&)> progress;
  unsigned parity_percent = kDefaultParityPercent;  // of packs that are repaired
  std::optional<PublicKey> settings_signer{};       // whose settings are taken
  bool accept_settings = false;                     // anybody's
};

absl::StatusOr<RebuildReport> RebuildCatalog(Env env, const RebuildOptions& options);

}  // namespace holdfast::rebuild
