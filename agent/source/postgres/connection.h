// How to reach a PostgreSQL server, and what that becomes for libpq and for its programs.
//
// Invariants: the password appears in nothing but the returned conninfo text and PGPASSWORD;
//             neither may be logged. argv of a program never carries it.
// Threading:  values and pure functions.
// Errors:     kPermission or kNotFound from reading the password file.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/env/file_system.h"

namespace holdfast::source {

struct PostgresConnection {
  std::string host;  // name, address or the directory of the server's socket
  int port = 5432;
  std::string database;
  std::string user;
  std::string password;       // or:
  std::string password_file;  // a file with nothing but the password, see FileSystem::ReadSecret
  std::string sslmode;        // empty: libpq's default
  std::string extra;  // more libpq parameters, e.g. "sslrootcert=/etc/ssl/db.pem"; no secrets
};

// `connection` with `password` read from `password_file` when there is one.
absl::StatusOr<PostgresConnection> WithPassword(FileSystem& fs, PostgresConnection connection);

// Conninfo text for libpq and libpqxx, including the password.
std::string ConnectionString(const PostgresConnection& connection);

// Environment for pg_dump and its like: PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE.
std::vector<std::pair<std::string, std::string>> ProgramEnvironment(
    const PostgresConnection& connection);

std::string QuoteIdentifier(std::string_view name);
std::string QuoteLiteral(std::string_view text);  // for standard_conforming_strings = on
std::string QualifiedName(std::string_view schema, std::string_view name);

}  // namespace holdfast::source
