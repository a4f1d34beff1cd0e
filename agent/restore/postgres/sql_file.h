// Writes a snapshot as one script for psql.
// Invariants: the file appears under its name only when it is complete and its rows had the counts
//             and checksums of the manifest; a file that exists is not replaced.
// Threading: blocks. Errors: kRefused 3101, kIntegrity 3111, those of the file system.
#pragma once

#include "agent/restore/postgres/postgres_sink.h"
#include "agent/restore/postgres/snapshot_content.h"

namespace holdfast::restore {

absl::StatusOr<RestoreReport> WriteSqlFile(const SnapshotView& view, const SnapshotContent& content,
                                           const PostgresRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop);

}  // namespace holdfast::restore
