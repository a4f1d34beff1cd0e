// What libpq and libpqxx report, as Status.
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/source/postgres/connection.h"

namespace holdfast::source {

// From the text of a failed connect.
absl::Status ConnectError(const PostgresConnection& connection, std::string_view text);
// From a failed statement; `text` is the server's message, `sqlstate` may be empty.
absl::Status StatementError(std::string_view sqlstate, std::string_view text);
absl::Status LostError(std::string_view text);

}  // namespace holdfast::source
