// Reads the rows of many tables through parallel connections that share one snapshot; a large table
// in parts (table_parts.h), several at once.
//
// Invariants: an entry carries count and checksum of exactly the rows written to its lane.
// Threading:  ReadTableRows starts the workers and joins them; `builder` is used from all of them.
// Errors:     the first error of any worker; the others are stopped.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/source/postgres/database_facts.h"
#include "agent/source/postgres/session.h"
#include "agent/source/source.h"
#include "common/concurrency/first_error.h"

namespace holdfast::source {

// What becomes one entry.
struct TableRead {
  std::size_t table = 0;  // index
  TablePart part;
  PageRange pages;
};

// Every table, the large ones cut into parts of `pages_per_part`.
absl::StatusOr<std::vector<TableRead>> PlanReads(PgSession& session,
                                                 const std::vector<TableFacts>& tables,
                                                 std::uint64_t pages_per_part);

struct TableReading {
  PostgresConnection connection;
  std::string snapshot;  // from pg_export_snapshot
  std::string encoding;
  std::vector<TableFacts> tables;  // largest first
  std::vector<TableRead> reads;    // in the order they are begun
  int workers = 2;
  std::function<absl::Status()> check_time;  // called now and then from every worker
};

// Runs `meanwhile` on the calling thread beside the workers. Returns the number of rows.
absl::StatusOr<std::uint64_t> ReadTableRows(
    const TableReading& reading, SnapshotBuilder& builder,
    absl::FunctionRef<absl::Status(std::stop_token)> meanwhile, std::stop_token stop);

}  // namespace holdfast::source
