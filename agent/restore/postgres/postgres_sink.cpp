#include "agent/restore/postgres/postgres_sink.h"

#include <set>
#include <thread>
#include <tuple>

#include "agent/restore/postgres/database_loader.h"
#include "agent/restore/postgres/single_table.h"
#include "agent/restore/postgres/sql_file.h"
#include "agent/restore/postgres/target_server.h"
#include "common/base/error.h"
#include "common/concurrency/first_error.h"
#include "common/concurrency/start_thread.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

absl::Status CheckOptions(const SnapshotView& view, const PostgresRestoreOptions& options) {
  if (view.info().kind != "postgres") {
    return Error(ErrorKind::kUsage, 3108,
                 fmt::format("unable to restore a snapshot of kind '{}' into PostgreSQL",
                             Escaped(view.info().kind)));
  }
  if (options.sql_file.empty() && options.database.empty()) {
    return Error(ErrorKind::kUsage, 3108, "unable to restore the database: no name was given");
  }
  if (options.database.size() > 63 || options.into_table.size() > 63) {
    return Error(ErrorKind::kUsage, 3108,
                 "unable to use a name longer than 63 bytes in PostgreSQL");
  }
  if (!options.table.empty() && !options.sql_file.empty()) {
    return Error(ErrorKind::kUsage, 3108, "unable to write a script of one table only");
  }
  if (!options.into_table.empty() && options.table.empty()) {
    return Error(ErrorKind::kUsage, 3108, "unable to rename a table when none was chosen");
  }
  return absl::OkStatus();
}

// As the dump may print their names.
std::set<std::string> LargeTables(const SnapshotContent& content, std::uint64_t pages_per_part) {
  // Half of what a part has at least, by its text.
  const std::uint64_t large_bytes = pages_per_part * 4096;
  std::set<std::string> names;
  for (const StoredTable& table : content.tables) {
    if (table.content_bytes() < large_bytes) continue;
    const auto& [schema, name] = std::tie(table.facts.schema, table.facts.name);
    for (const std::string& printed : {schema, source::QuoteIdentifier(schema)}) {
      names.insert(printed + "." + name);
      names.insert(printed + "." + source::QuoteIdentifier(name));
    }
  }
  return names;
}

absl::Status MakeRest(const LoadTarget& target, const SnapshotContent& content,
                      std::stop_token stop) {
  RETURN_IF_ERROR(ExecuteDump(
      target, WithIndexesFirst(content.post_data, LargeTables(content, target.pages_per_part)),
      nullptr, stop));
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  return session->Execute("ANALYZE");
}

// Nothing of what comes after the rows changes them, so they are read back meanwhile. Who reads
// holds one lock at a time and waits for none, so the two cannot wait for each other.
absl::Status MakeRestAndCompare(const LoadTarget& target, const SnapshotContent& content,
                                RestoreReport& report, std::stop_token stop) {
  FirstError errors;
  const std::stop_callback forward(
      stop, [&] { errors.Report(Error(ErrorKind::kFailed, 3107, "the restore was stopped")); });
  {
    const auto make_rest = [&] { errors.Report(MakeRest(target, content, errors.stop_token())); };
    std::jthread beside;
    if (!StartThread(&beside, [&](const std::stop_token&) { make_rest(); }).ok()) make_rest();
    errors.Report(CompareAll(target, content, report, errors.stop_token()));
  }
  return errors.status();
}

absl::StatusOr<RestoreReport> RestoreDatabase(const SnapshotView& view,
                                              const SnapshotContent& content,
                                              const PostgresRestoreOptions& options,
                                              RestoreProgress& progress, std::stop_token stop) {
  RestoreReport report;
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDatabase> database,
                   TemporaryDatabase::Create(content, options, stop));
  progress.Step("restoring roles");
  RETURN_IF_ERROR(database->RestoreGlobals(report.warnings));
  const LoadTarget target{database->connection(), options.workers, database->superuser(),
                          database->missing_tablespaces(), options.pages_per_part};
  progress.Step("restoring the schema");
  RETURN_IF_ERROR(ExecuteDump(target, content.pre_data, nullptr, stop));
  progress.Step("loading rows");
  RETURN_IF_ERROR(LoadRows(target, view, content, progress, stop));
  RETURN_IF_ERROR(LoadSequences(target, content, stop));
  RETURN_IF_ERROR(LoadLargeObjects(target, view, content, stop));
  progress.Step("building indexes and comparing rows");
  RETURN_IF_ERROR(MakeRestAndCompare(target, content, report, stop));
  report.restored_entries = view.info().entry_count;
  report.restored_bytes = content.total_bytes;
  if (!report.mismatches.empty()) {
    report.target = database->name();
    report.warnings.push_back(
        options.keep_mismatched
            ? fmt::format("the database is kept as '{}' for inspection", database->name())
            : fmt::format("the database was dropped; '{}' was not created",
                          Escaped(options.database)));
    if (options.keep_mismatched) database->Keep();
    return report;
  }
  RETURN_IF_ERROR(database->ApplyProperties());
  RETURN_IF_ERROR(database->Publish());
  report.target = options.database;
  for (const std::string& subscription : content.database.subscriptions) {
    report.warnings.push_back(fmt::format(
        "subscription '{}' is disabled: enable it when this database shall take part in "
        "replication",
        Escaped(subscription)));
  }
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestorePostgres(const SnapshotView& view,
                                              const PostgresRestoreOptions& options,
                                              RestoreProgress& progress, std::stop_token stop) {
  RETURN_IF_ERROR(CheckOptions(view, options));
  ASSIGN_OR_RETURN(const SnapshotContent content, ReadContent(view));
  std::uint64_t parts = 0;
  for (const StoredTable& table : content.tables) parts += table.parts.size();
  progress.ExpectTotal(content.total_bytes, parts);
  if (!options.table.empty()) return RestoreTable(view, content, options, progress, stop);
  if (!options.sql_file.empty()) return WriteSqlFile(view, content, options, progress, stop);
  return RestoreDatabase(view, content, options, progress, stop);
}

}  // namespace holdfast::restore
