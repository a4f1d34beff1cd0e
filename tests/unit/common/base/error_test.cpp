// Goal: an error keeps kind, code and hint through every layer, and maps to the exit codes of the
// design.
#include "common/base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ErrorTest, KeepsCodeAndHintUnderContext) {
  const absl::Status status =
      WithContext(Error(ErrorKind::kSource, 2114, "no rights", "grant them"), "source 'db'");
  EXPECT_EQ(KindOf(status), ErrorKind::kSource);
  EXPECT_EQ(CodeOf(status), 2114);
  EXPECT_EQ(ExitCodeOf(status), 10);
  EXPECT_EQ(Render(status), "error: source 'db': no rights\nhint: grant them   (HF-2114)\n");
}

TEST(ErrorTest, ForeignStatusesGetTheKindOfTheirCode) {
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("x")), 8);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("x")), 8);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("x")), 5);
  EXPECT_EQ(ExitCodeOf(absl::UnauthenticatedError("x")), 12);
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
}

TEST(ErrorTest, OnlyTheNetworkIsRetryable) {
  for (int kind = 1; kind <= 12; ++kind) {
    const absl::Status status = Error(static_cast<ErrorKind>(kind), 1, "x");
    EXPECT_EQ(IsRetryable(status), kind == 8) << kind;
    EXPECT_EQ(ExitCodeOf(status), kind);
  }
}

TEST(ErrorTest, ErrnoDecidesTheKind) {
  EXPECT_EQ(ExitCodeOf(ErrnoError(ENOSPC, 1, "x")), 11);
  EXPECT_EQ(ExitCodeOf(ErrnoError(EACCES, 1, "x")), 12);
  EXPECT_EQ(ExitCodeOf(ErrnoError(ENOENT, 1, "x")), 6);
  EXPECT_EQ(ExitCodeOf(ErrnoError(EIO, 1, "x")), 1);
}

TEST(ErrorTest, TheTableIsAsDesigned) {
  struct Row {
    ErrorKind kind;
    absl::StatusCode code;
    int exit_code;
  };
  constexpr Row kTable[] = {
      {ErrorKind::kFailed, absl::StatusCode::kInternal, 1},
      {ErrorKind::kUsage, absl::StatusCode::kInvalidArgument, 2},
      {ErrorKind::kPartial, absl::StatusCode::kUnknown, 3},
      {ErrorKind::kRefused, absl::StatusCode::kFailedPrecondition, 4},
      {ErrorKind::kIntegrity, absl::StatusCode::kDataLoss, 5},
      {ErrorKind::kNotFound, absl::StatusCode::kNotFound, 6},
      {ErrorKind::kConflict, absl::StatusCode::kAborted, 7},
      {ErrorKind::kUnreachable, absl::StatusCode::kUnavailable, 8},
      {ErrorKind::kCheckFailed, absl::StatusCode::kOutOfRange, 9},
      {ErrorKind::kSource, absl::StatusCode::kInternal, 10},
      {ErrorKind::kNoSpace, absl::StatusCode::kResourceExhausted, 11},
      {ErrorKind::kPermission, absl::StatusCode::kPermissionDenied, 12},
  };
  for (const Row& row : kTable) {
    const absl::Status status = Error(row.kind, 1, "x");
    EXPECT_EQ(status.code(), row.code) << row.exit_code;
    EXPECT_EQ(ExitCodeOf(status), row.exit_code);
    EXPECT_EQ(KindOf(status), row.kind);
  }
}

TEST(ErrorTest, RenderWithoutHintOrCode) {
  EXPECT_EQ(Render(Error(ErrorKind::kFailed, 1, "x")), "error: x   (HF-0001)\n");
  EXPECT_EQ(Render(absl::InternalError("x")), "error: x\n");
  EXPECT_TRUE(WithContext(absl::OkStatus(), "y").ok());
}

}  // namespace
}  // namespace holdfast
