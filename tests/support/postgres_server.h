// A PostgreSQL server of its own for a test suite: fresh cluster, socket and 127.0.0.1, no fsync.
// Started by the constructor (aborts when it cannot), stopped and removed by the destructor.
// On the socket every user is trusted; over TCP a password is asked for (superuser: "secret").
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace holdfast::test {

class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  const std::string& socket_directory() const { return directory_.path(); }
  int port() const { return port_; }

  // Output of psql, unaligned and without headings; aborts the test program when psql fails.
  std::string Sql(const std::string& database, const std::string& sql) const;
  void LoadFile(const std::string& database, const std::string& path) const;
  // pg_dump --schema-only without the lines that are random or name versions.
  std::string Schema(const std::string& database) const;
  // One line per table with server-side row count and hash sum, partitions under their root.
  std::string Rows(const std::string& database) const;
  bool HasDatabase(const std::string& name) const;

 private:
  TempDir directory_;
  int port_ = 0;
};

std::string PostgresProgram(const std::string& name);  // full path of the newest installed one

}  // namespace holdfast::test
