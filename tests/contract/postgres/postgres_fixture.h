// Shared by the contract tests: servers started once, a backup in memory, a restore.
#pragma once

#include <string>

#include "agent/restore/postgres/postgres_sink.h"
#include "agent/source/postgres/postgres_source.h"
#include "tests/support/memory_snapshot.h"
#include "tests/support/postgres_server.h"

namespace holdfast::test {

class QuietProgress final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

inline source::PostgresConnection ConnectionTo(const PostgresServer& server,
                                               const std::string& database) {
  source::PostgresConnection connection;
  connection.host = server.socket_directory();
  connection.port = server.port();
  connection.database = database;
  connection.user = "postgres";
  return connection;
}

inline source::PostgresOptions SourceOptions(const PostgresServer& server,
                                             const std::string& database) {
  source::PostgresOptions options;
  options.connection = ConnectionTo(server, database);
  options.lock_timeout = absl::Milliseconds(300);
  return options;
}

inline absl::StatusOr<source::SourceResult> Backup(const source::PostgresOptions& options,
                                                   MemorySnapshot& snapshot) {
  absl::StatusOr<source::SourceResult> result =
      source::PostgresSource(RealEnv(), options).Read(snapshot, {});
  if (result.ok()) snapshot.Finish(*result, "postgres");
  return result;
}

inline restore::PostgresRestoreOptions RestoreOptions(const PostgresServer& server,
                                                      const std::string& database) {
  restore::PostgresRestoreOptions options;
  options.connection = ConnectionTo(server, "postgres");
  options.database = database;
  return options;
}

inline absl::StatusOr<restore::RestoreReport> Restore(
    const MemorySnapshot& snapshot, const restore::PostgresRestoreOptions& options) {
  QuietProgress progress;
  return restore::RestorePostgres(snapshot, options, progress, {});
}

// Restores that failed may leave nothing of theirs behind.
inline std::string Leftovers(const PostgresServer& server) {
  return server.Sql("postgres",
                    "SELECT datname FROM pg_database WHERE datname LIKE 'holdfast_restore_%'");
}

}  // namespace holdfast::test
