#include "agent/source/postgres/session_error.h"

#include "absl/strings/cord.h"
#include "agent/source/postgres/session.h"
#include "agent/source/transient.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr char kSqlStateUrl[] = "holdfast/sqlstate";

// One line, without "ERROR:" and the trailing newline.
std::string OneLine(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') {
      if (!result.empty() && result.back() != ' ') result += "; ";
    } else {
      result += c;
    }
  }
  while (!result.empty() && (result.back() == ' ' || result.back() == ';')) result.pop_back();
  for (const std::string_view prefix : {"ERROR:  ", "FATAL:  ", "PANIC:  "}) {
    if (result.starts_with(prefix)) result.erase(0, prefix.size());
  }
  return Escaped(result, 600);
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string SqlStateOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kSqlStateUrl);
  return payload ? std::string(*payload) : "";
}

absl::Status ConnectError(const PostgresConnection& connection, std::string_view text) {
  const std::string what =
      fmt::format("unable to connect to database '{}' on '{}': {}", Escaped(connection.database),
                  Escaped(connection.host), OneLine(text));
  if (Contains(text, "password authentication failed") || Contains(text, "no password supplied") ||
      Contains(text, "no pg_hba.conf entry") || Contains(text, "authentication failed") ||
      Contains(text, "permission denied for database") || Contains(text, "role \"")) {
    return Error(ErrorKind::kPermission, 2102, what,
                 fmt::format("Check user '{}', its password and the server's pg_hba.conf.",
                             Escaped(connection.user)));
  }
  if (Contains(text, "database \"") && Contains(text, "does not exist")) {
    return Error(ErrorKind::kNotFound, 2117, what, "Check the name of the database.");
  }
  return Error(ErrorKind::kUnreachable, 2101, what,
               "Check that the server runs and that host and port are right.");
}

absl::Status StatementError(std::string_view sqlstate, std::string_view text) {
  ErrorKind kind = ErrorKind::kSource;
  if (sqlstate == "42501") kind = ErrorKind::kPermission;
  if (sqlstate == "53100") kind = ErrorKind::kNoSpace;
  absl::Status status =
      Error(kind, 2103, fmt::format("the server refused a statement: {}", OneLine(text)));
  if (!sqlstate.empty()) status.SetPayload(kSqlStateUrl, absl::Cord(std::string(sqlstate)));
  return status;
}

absl::Status LostError(std::string_view text) {
  return MarkTransient(
      Error(ErrorKind::kSource, 2104,
            fmt::format("the connection to the server was lost: {}", OneLine(text)),
            "Look at the server's log for the reason, then run it again."));
}

}  // namespace holdfast::source
