// Goal: an error keeps its kind, code and hint over the wire; one that gRPC made gets a kind.
#include "common/rpc/status.h"

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "common/base/error.h"

namespace holdfast::rpc {
namespace {

TEST(StatusTest, EveryKindComesBackWhole) {
  for (int kind = 1; kind <= 12; ++kind) {
    const absl::Status status =
        Error(static_cast<ErrorKind>(kind), 4321, "unable to do it: because", "Try again.");
    const grpc::Status wire = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), status.raw_code());
    const absl::Status back = FromGrpc(wire);
    EXPECT_EQ(KindOf(back), static_cast<ErrorKind>(kind));
    EXPECT_EQ(CodeOf(back), 4321);
    EXPECT_EQ(HintOf(back), "Try again.");
    EXPECT_EQ(MessageOf(back), "unable to do it: because");
    EXPECT_EQ(ExitCodeOf(back), ExitCodeOf(status));
    EXPECT_EQ(IsRetryable(back), IsRetryable(status));
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(StatusTest, WhatGrpcSaysGetsAKind) {
  using grpc::StatusCode;
  const auto kind_of = [](StatusCode code) { return KindOf(FromGrpc({code, "text"})); };
  EXPECT_EQ(kind_of(StatusCode::UNAVAILABLE), ErrorKind::kUnreachable);
  EXPECT_EQ(kind_of(StatusCode::DEADLINE_EXCEEDED), ErrorKind::kUnreachable);
  EXPECT_EQ(kind_of(StatusCode::CANCELLED), ErrorKind::kUnreachable);
  EXPECT_EQ(kind_of(StatusCode::UNAUTHENTICATED), ErrorKind::kPermission);
  EXPECT_EQ(kind_of(StatusCode::PERMISSION_DENIED), ErrorKind::kPermission);
  EXPECT_EQ(kind_of(StatusCode::UNIMPLEMENTED), ErrorKind::kFailed);
  EXPECT_EQ(kind_of(StatusCode::RESOURCE_EXHAUSTED), ErrorKind::kFailed);
  const absl::Status no_thread =
      FromGrpc({StatusCode::RESOURCE_EXHAUSTED, "Server Threadpool Exhausted"});
  EXPECT_EQ(CodeOf(no_thread), 6001);
  EXPECT_TRUE(IsRetryable(no_thread));
}

TEST(StatusTest, DetailsThatAreNoneAreNotBelieved) {
  for (const char* details : {"garbage", "\x08\x00", "\x08\x63", "\xff\xff\xff"}) {
    const absl::Status status =
        FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "text", details));
    EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable);
    EXPECT_EQ(CodeOf(status), 6001);
  }
}

TEST(StatusTest, ForeignTextIsEscaped) {
  const absl::Status status = FromGrpc(
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "\x1b[31mred\n" + std::string(9000, 'x')));
  EXPECT_EQ(MessageOf(status).find('\x1b'), std::string::npos);
  EXPECT_EQ(MessageOf(status).find('\n'), std::string::npos);
  EXPECT_LT(MessageOf(status).size(), 400u);
}

}  // namespace
}  // namespace holdfast::rpc
