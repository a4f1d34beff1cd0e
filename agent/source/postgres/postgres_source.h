// A PostgreSQL database as a source: one consistent logical snapshot, read in parallel.
//
// Hides:      the exported snapshot, locks, pg_dump, COPY streams, what a managed server forbids.
// Entries:    globals.sql, database.json, pre-data.sql, post-data.sql, sequences.json,
//             large-objects.sql (only when there are large objects), data/<schema>.<table>.copy,
//             of a large table also data/<schema>.<table>.copy.000001 and so on.
// Invariants: I1  Every table is read in the same snapshot as the schema, under ACCESS SHARE locks.
//             I2  Rows and row checksum of a table are taken from the very bytes that are stored.
//             I3  Unchanged data gives the same bytes on the next run.
//             I4  Sequences are not transactional: the value stored is at least the snapshot's.
// Threading:  Read starts `workers` threads and joins them before it returns.
// Errors:     kUnreachable 2101, kPermission 2102 (login), kSource 2103 to 2114:
//             2104 connection lost, 2105 pg_dump too old, 2106 pg_dump failed, 2107 lock not had,
//             2108 schema changed meanwhile, 2113 took longer than allowed,
//             2114 rights are missing (names objects and grants).
// The entries contain passwords of user mappings and subscriptions as the dump prints them.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "agent/source/postgres/connection.h"
#include "agent/source/postgres/dump_program.h"
#include "agent/source/postgres/table_parts.h"
#include "agent/source/source.h"
#include "common/env/env.h"

namespace holdfast::source {

struct PostgresOptions {
  PostgresConnection connection;
  int workers = 2;
  std::string pg_dump = "pg_dump";  // see FindDumpProgram
  absl::Duration lock_timeout = absl::Seconds(60);
  absl::Duration max_duration = absl::Hours(12);  // an open snapshot holds back VACUUM
  bool unlogged_data = true;
  std::uint64_t pages_per_part = kPagesPerPart;  // only tests change it
};

class PostgresSource final : public Source {
 public:
  PostgresSource(Env env, PostgresOptions options) : env_(env), options_(std::move(options)) {}

  std::string kind() const override { return "postgres"; }
  absl::Status Check(std::stop_token stop) override;
  absl::StatusOr<SourceResult> Read(SnapshotBuilder& builder, std::stop_token stop) override;

 private:
  Env env_;
  const PostgresOptions options_;
};

}  // namespace holdfast::source
