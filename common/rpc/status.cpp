#include "common/rpc/status.h"

#include <grpcpp/support/status.h>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"
#include "proto/common.pb.h"

namespace holdfast::rpc {
namespace {

// What gRPC's server says by itself when it was refused a thread.
constexpr char kNoThreadLeft[] = "Server Threadpool Exhausted";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  v1::ErrorDetail detail;
  detail.set_kind(static_cast<std::uint32_t>(KindOf(status)));
  detail.set_code(static_cast<std::uint32_t>(CodeOf(status)));
  detail.set_hint(HintOf(status));
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()), MessageOf(status),
                      detail.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  v1::ErrorDetail detail;
  if (!status.error_details().empty() && detail.ParseFromString(status.error_details()) &&
      detail.kind() >= 1 && detail.kind() <= 12) {
    return Error(static_cast<ErrorKind>(detail.kind()), static_cast<int>(detail.code()),
                 status.error_message(), detail.hint());
  }
  const std::string cause = Escaped(status.error_message());
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::CANCELLED:
      return Error(ErrorKind::kUnreachable, 6001,
                   fmt::format("unable to reach the controller: {}", cause),
                   "Is it running? Look at 'systemctl status holdfast-controller' on its host.");
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return Error(ErrorKind::kPermission, 6002,
                   fmt::format("unable to call the controller: {}", cause));
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      if (status.error_message() == kNoThreadLeft) {
        return Error(ErrorKind::kUnreachable, 6001,
                     "unable to reach the controller: it has no thread left for another call",
                     "It is tried again. Raise the limit on threads there (TasksMax of the unit).");
      }
      [[fallthrough]];
    default:
      return Error(ErrorKind::kFailed, 6003,
                   fmt::format("unable to call the controller: {} (gRPC code {})", cause,
                               static_cast<int>(status.error_code())));
  }
}

}  // namespace holdfast::rpc
