// Brings a PostgreSQL snapshot back: a whole database, one table, or one SQL script.
//
// Hides:      temporary database, order of loading, roles, the comparison, cleaning up.
// Invariants: I1  The database appears under its name only when everything was loaded and the rows,
//                 sequences and large objects read back have the counts and checksums taken at
//                 backup time. Until then it is holdfast_restore_<random>.
//             I2  A database that exists is never touched: kRefused. (One table may be added to it,
//                 under a name that is free, in one transaction.)
//             I3  A failure, a stop or a mismatch drops the temporary database and the roles this
//                 restore created. `keep_mismatched` keeps the database after a mismatch.
//                 Rows are compared beside the making of indexes and constraints.
//             I4  No event trigger fires, no subscription connects, during the load; subscriptions
//                 stay disabled afterwards and a warning says so.
//             I5  Roles that exist are left as they are, passwords included.
// One table:  into a database that does not exist, the database gets the whole schema and only
//             this table's rows; foreign keys that need other tables' rows are left out and listed.
//             Into a database that exists, the table gets its columns, defaults, comments, grants,
//             indexes and constraints; the types it uses must exist there, foreign keys, triggers
//             and policies are restored when what they refer to exists, else listed. Partitioned
//             tables come back only in a new database.
// SQL file:   for `psql -X -v ON_ERROR_STOP=1 -d NEW_DATABASE -f FILE`; roles and properties of the
//             database are in it as comments. The rows were compared while they were written.
// Threading:  blocks; starts `workers` threads and joins them.
// Errors:     kRefused 3101 (exists), 3102 (server too old), 3103 (lists all that is missing);
//             kPermission 3104; kFailed 3105 (the server refused a part); kIntegrity 3110, 3111
//             (damaged content); kNotFound 3106 (no such table); mismatches are in the report.
#pragma once

#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "agent/restore/restore_report.h"
#include "agent/source/postgres/connection.h"
#include "agent/source/postgres/table_parts.h"
#include "common/env/env.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct PostgresRestoreOptions {
  source::PostgresConnection connection;  // its database is only used to connect; empty: postgres
  std::string database;                   // to create; with `table` it may exist
  std::string table;                      // only this one: "schema.table" or "table"
  std::string into_table;                 // its new name, in the same schema
  bool no_globals = false;
  std::string sql_file;  // write this script instead of restoring
  int workers = 2;
  bool keep_mismatched = false;
  std::string pg_dump = "pg_dump";                       // for one table into an existing database
  std::uint64_t pages_per_part = source::kPagesPerPart;  // read back at once; only tests change it
  Env env = RealEnv();
};

absl::StatusOr<RestoreReport> RestorePostgres(const SnapshotView& view,
                                              const PostgresRestoreOptions& options,
                                              RestoreProgress& progress, std::stop_token stop);

}  // namespace holdfast::restore
