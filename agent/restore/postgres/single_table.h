// One table of a snapshot, by way of a scratch database that has the snapshot's schema.
//
// Hides:      how a table's types, indexes and constraints are found: the server that restored the
//             schema tells, through its own dump of that one table.
// Invariants: the target gets the whole table or nothing.
// Threading:  blocks. Errors: see postgres_sink.h.
#pragma once

#include "agent/restore/postgres/database_loader.h"
#include "agent/restore/postgres/postgres_sink.h"

namespace holdfast::restore {

absl::StatusOr<RestoreReport> RestoreTable(const SnapshotView& view, SnapshotContent content,
                                           const PostgresRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop);

// Moves the table from the scratch database into the existing one, in one transaction.
struct TableTransfer {
  const SnapshotView& view;
  const StoredTable& table;
  std::string new_name;
  std::string encoding;
  LoadTarget scratch;
  LoadTarget target;
  const PostgresRestoreOptions& options;
};
absl::Status TransferTable(const TableTransfer& transfer, RestoreReport& report,
                           std::stop_token stop);

}  // namespace holdfast::restore
