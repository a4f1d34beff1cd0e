// Status with a stable HF-nnnn code, a kind that decides the exit code, and a hint for the
// operator.
//
// Every failure the world can cause is an absl::Status made by Error(). The text has the form
// "unable to <verb> <object> '<name>': <cause>"; the hint is a separate sentence naming the next
// step.
// Invariants: a status made here keeps kind, code and hint through WithContext() and over gRPC
//             (common/rpc/status.h).
// Codes:      1xxx common, configuration, command line · 20xx backup run · 21xx postgres ·
//             22xx redis · 23xx files · 30xx restore · 31xx postgres · 32xx redis · 33xx files
//             restore · 4xxx keys and formats · 5xxx controller, catalog, store · 6xxx network,
//             TLS, enrolment.
// Threading:  pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast {

// Kind → absl code → exit code (DESIGN 12) → retryable: the one table is in error.cpp.
enum class ErrorKind {
  kFailed = 1,
  kUsage = 2,
  kPartial = 3,
  kRefused = 4,
  kIntegrity = 5,
  kNotFound = 6,
  kConflict = 7,
  kUnreachable = 8,
  kCheckFailed = 9,
  kSource = 10,
  kNoSpace = 11,
  kPermission = 12,
};

// `code` is the nnnn of HF-nnnn and is never reused for another meaning.
absl::Status Error(ErrorKind kind, int code, std::string message, std::string hint = "");

// Prefixes the message with "<context>: ", keeping kind, code and hint. OK stays OK.
absl::Status WithContext(absl::Status status, std::string_view context);

// Status from errno: ENOSPC and EDQUOT → kNoSpace, EACCES and EPERM → kPermission, ENOENT →
// kNotFound, anything else → kFailed. `what` is "unable to <verb> <object> '<name>'".
absl::Status ErrnoError(int error_number, int code, std::string_view what);

// The message as std::string: Debian's absl::string_view is a type of its own, which fmt cannot
// print.
std::string MessageOf(const absl::Status& status);
ErrorKind KindOf(const absl::Status& status);  // derived from the absl code for foreign statuses
int CodeOf(const absl::Status& status);        // 0 for foreign statuses
std::string HintOf(const absl::Status& status);
int ExitCodeOf(const absl::Status& status);  // 0 when ok
bool IsRetryable(const absl::Status& status);

// "error: …\nhint: …   (HF-nnnn)\n", as printed on stderr.
std::string Render(const absl::Status& status);

// Aborts with the text: a programmer error, never a fault of the world.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);

}  // namespace holdfast

#define HOLDFAST_CHECK(condition)                                              \
  do {                                                                         \
    if (!(condition)) ::holdfast::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define HOLDFAST_CONCAT_(a, b) a##b
#define HOLDFAST_CONCAT(a, b) HOLDFAST_CONCAT_(a, b)
#define ASSIGN_OR_RETURN(target, expression) \
  HOLDFAST_ASSIGN_OR_RETURN_(HOLDFAST_CONCAT(result_, __LINE__), target, expression)
#define HOLDFAST_ASSIGN_OR_RETURN_(result, target, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).status();         \
  target = *std::move(result)
