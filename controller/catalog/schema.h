// The catalog's tables, and the way from any older version to them.
//
// Hides:      SQL of every version.
// Invariants: a migration is one transaction; a newer or foreign file is refused unchanged.
// Threading:  one thread, before the catalog is used.
// Errors:     kUsage 5002 (newer schema), kUsage 5003 (not a catalog), kIntegrity 5001 (damaged).
#pragma once

#include "controller/catalog/schema_alerts.h"
#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

inline constexpr int kSchemaVersion = 6;

// chunk.state
inline constexpr int kChunkLive = 1;
inline constexpr int kChunkBad = 2;  // lost or damaged, still referenced: sent again by a backup
inline constexpr int kChunkBaseBad = 3;  // a delta whose base is not LIVE: of no use without it
// pack.state
inline constexpr int kPackOpen = 1;
inline constexpr int kPackSealed = 2;
inline constexpr int kPackGivenUp = 3;
inline constexpr int kPackDeleting = 4;  // no chunk lies in it: its file goes, then the row
// snapshot.state
inline constexpr int kSnapshotCommitted = 1;
inline constexpr int kSnapshotTrashed = 2;  // forgotten: keeps its references, may be undeleted
inline constexpr int kSnapshotPurging = 3;  // its references go, in steps: cannot be undone

// On a connection that has changed nothing yet: refuses what this program must not touch.
absl::Status CheckVersion(SqliteDb& db);
absl::Status Migrate(SqliteDb& db);
absl::Status QuickCheck(SqliteDb& db);

}  // namespace holdfast::catalog
