// What a backup must know before it reads: tables, sequences, rights, locks.
//
// Hides:      the system catalogs of the supported server versions.
// Invariants: I1  ReadTables names every table whose rows a dump would hold: ordinary tables and
//                 leaves of partitioned ones, and of extensions only their configuration tables.
//             I2  After LockTables succeeded, no DDL can change what was listed, and nothing was
//                 changed between the snapshot and the locks.
// Threading:  one session, one thread.
// Errors:     kSource 2114 (lists objects and the GRANT that helps), kSource 2107 (lock, names
//             relation and blocking process), kSource 2108 (changed while it was listed: try
//             again).
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/source/postgres/database_facts.h"
#include "agent/source/postgres/session.h"

namespace holdfast::source {

struct CatalogOptions {
  bool unlogged_data = true;
  bool standby = false;  // unlogged tables cannot be read there
};

absl::StatusOr<std::vector<TableFacts>> ReadTables(PgSession& session,
                                                   const CatalogOptions& options);
absl::StatusOr<std::vector<SequenceFacts>> ReadSequences(PgSession& session);
absl::StatusOr<DatabaseFacts> ReadDatabase(PgSession& session);

// Nothing that would be dumped may be unreadable or filtered by row security.
absl::Status CheckPrivileges(PgSession& session);

// ACCESS SHARE on every table and partitioned table. `observer` is a second session outside the
// snapshot: it finds the blocking process, and what was changed before the locks were held.
absl::Status LockTables(PgSession& session, PgSession& observer, absl::Duration timeout);

constexpr int kChangedCode = 2108;

}  // namespace holdfast::source
