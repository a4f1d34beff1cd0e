// Two ways to talk to a server: PgSession for queries, PgCopy for COPY streams.
//
// Hides:      libpqxx and its exceptions, libpq, polling, cancellation on stop, SQLSTATEs.
// Invariants: I1  A lost connection is an error of the call in progress; it is never reopened
//                 behind the caller's back, because snapshot and locks would be gone.
//             I2  COPY text arrives one whole row per call, as the server sends it.
// Threading:  one thread at a time per object.
// Errors:     kUnreachable 2101 and kPermission 2102 on connecting; kSource 2103 (statement
//             failed), 2104 (connection lost), kPermission 2103 for SQLSTATE 42501, kNoSpace for
//             53100; SqlStateOf tells which SQLSTATE.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agent/source/postgres/connection.h"
#include "common/base/bytes.h"

namespace holdfast::source {

using PgRow = std::vector<std::optional<std::string>>;
using PgRows = std::vector<PgRow>;
inline std::string Text(const PgRow& row, std::size_t column) { return row[column].value_or(""); }

std::string SqlStateOf(const absl::Status& status);  // empty when the server did not say

class PgSession {
 public:
  // `connection` has its password (WithPassword). Names arrive and are sent as UTF-8, except on a
  // SQL_ASCII database, which has no encoding to convert from.
  static absl::StatusOr<std::unique_ptr<PgSession>> Open(const PostgresConnection& connection,
                                                         std::stop_token stop);
  virtual ~PgSession() = default;
  virtual absl::StatusOr<PgRows> Query(const std::string& sql,
                                       const std::vector<std::string>& parameters = {}) = 0;
  // One or several statements in one round trip, results ignored.
  virtual absl::Status Execute(const std::string& sql) = 0;
  virtual int server_version() const = 0;  // 150020
  int server_major() const { return server_version() / 10000; }

  // The only field of the only row; an error when there is none, "" for NULL.
  absl::StatusOr<std::string> QueryValue(const std::string& sql,
                                         const std::vector<std::string>& parameters = {});
  absl::StatusOr<bool> QueryTrue(const std::string& sql,
                                 const std::vector<std::string>& parameters = {});
};

class PgCopy {
 public:
  static absl::StatusOr<std::unique_ptr<PgCopy>> Open(const PostgresConnection& connection,
                                                      std::stop_token stop);
  virtual ~PgCopy() = default;
  virtual absl::Status Execute(const std::string& sql) = 0;
  // COPY … TO STDOUT; `on_row` gets the row with its newline.
  virtual absl::Status CopyOut(const std::string& sql,
                               absl::FunctionRef<absl::Status(ByteView)> on_row) = 0;
  // COPY … FROM STDIN; `produce` calls `write` with pieces. An error of `produce` cancels the COPY.
  using WriteCopy = absl::FunctionRef<absl::Status(ByteView)>;
  virtual absl::Status CopyIn(const std::string& sql,
                              absl::FunctionRef<absl::Status(WriteCopy)> produce) = 0;
};

// The settings every session needs so that data comes out the same on each run.
std::string SessionSettings();

}  // namespace holdfast::source
