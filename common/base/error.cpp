#include "common/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr char kKindUrl[] = "holdfast/kind";
constexpr char kCodeUrl[] = "holdfast/code";
constexpr char kHintUrl[] = "holdfast/hint";

struct KindRow {
  ErrorKind kind;
  absl::StatusCode code;
  bool retryable;
};

// The one table: kind (= exit code) → absl code (= gRPC code) → may the same call be repeated?
constexpr KindRow kKinds[] = {
    {ErrorKind::kFailed, absl::StatusCode::kInternal, false},
    {ErrorKind::kUsage, absl::StatusCode::kInvalidArgument, false},
    {ErrorKind::kPartial, absl::StatusCode::kUnknown, false},
    {ErrorKind::kRefused, absl::StatusCode::kFailedPrecondition, false},
    {ErrorKind::kIntegrity, absl::StatusCode::kDataLoss, false},
    {ErrorKind::kNotFound, absl::StatusCode::kNotFound, false},
    {ErrorKind::kConflict, absl::StatusCode::kAborted, false},
    {ErrorKind::kUnreachable, absl::StatusCode::kUnavailable, true},
    {ErrorKind::kCheckFailed, absl::StatusCode::kOutOfRange, false},
    {ErrorKind::kSource, absl::StatusCode::kInternal, false},
    {ErrorKind::kNoSpace, absl::StatusCode::kResourceExhausted, false},
    {ErrorKind::kPermission, absl::StatusCode::kPermissionDenied, false},
};

int NumberPayload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  int value = 0;
  return payload && absl::SimpleAtoi(std::string(*payload), &value) ? value : 0;
}

}  // namespace

absl::Status Error(ErrorKind kind, int code, std::string message, std::string hint) {
  const KindRow& row = kKinds[static_cast<int>(kind) - 1];
  absl::Status status(row.code, message);
  status.SetPayload(kKindUrl, absl::Cord(std::to_string(static_cast<int>(kind))));
  status.SetPayload(kCodeUrl, absl::Cord(std::to_string(code)));
  if (!hint.empty()) status.SetPayload(kHintUrl, absl::Cord(hint));
  return status;
}

absl::Status WithContext(absl::Status status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), fmt::format("{}: {}", context, MessageOf(status)));
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

absl::Status ErrnoError(int error_number, int code, std::string_view what) {
  ErrorKind kind = ErrorKind::kFailed;
  std::string hint;
  switch (error_number) {
    case ENOSPC:
      kind = ErrorKind::kNoSpace;
      hint = "Free some space or enlarge the volume, then run the command again.";
      break;
    case EDQUOT:
    case EFBIG:
      kind = ErrorKind::kNoSpace;
      hint = "Raise the quota or the limit on the size of files, then run the command again.";
      break;
    case EIO:
      hint = "Look at the kernel's log: the disk may be failing.";
      break;
    case EMFILE:
    case ENFILE:
      hint = "Raise the limit on open files (LimitNOFILE of the unit, fs.file-max of the host).";
      break;
    case EACCES:
    case EPERM:
      kind = ErrorKind::kPermission;
      break;
    case EROFS:
      kind = ErrorKind::kPermission;
      hint =
          "Mount the file system for writing: 'mount -o remount,rw', after a look at the kernel's "
          "log.";
      break;
    case ENOENT:
      kind = ErrorKind::kNotFound;
      break;
    default:
      break;
  }
  return Error(kind, code, fmt::format("{}: {}", what, std::strerror(error_number)), hint);
}

std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

ErrorKind KindOf(const absl::Status& status) {
  const int number = NumberPayload(status, kKindUrl);
  if (number >= 1 && number <= 12) return static_cast<ErrorKind>(number);
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return ErrorKind::kUnreachable;
  if (status.code() == absl::StatusCode::kUnauthenticated) return ErrorKind::kPermission;
  for (const KindRow& row : kKinds) {
    if (row.code == status.code()) return row.kind;
  }
  return ErrorKind::kFailed;
}

int CodeOf(const absl::Status& status) { return NumberPayload(status, kCodeUrl); }

std::string HintOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kHintUrl);
  return payload ? std::string(*payload) : "";
}

int ExitCodeOf(const absl::Status& status) {
  return status.ok() ? 0 : static_cast<int>(KindOf(status));
}

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

std::string Render(const absl::Status& status) {
  std::string text = fmt::format("error: {}", MessageOf(status));
  const std::string hint = HintOf(status);
  const int code = CodeOf(status);
  if (!hint.empty()) text += fmt::format("\nhint: {}", hint);
  if (code != 0) text += fmt::format("   (HF-{:04})", code);
  return text + "\n";
}

void CheckFailed(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
  std::abort();
}

}  // namespace holdfast
