// absl::Status over gRPC and back: kind, HF code and hint survive as holdfast.v1.ErrorDetail.
// Threading: pure functions.
#pragma once

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace holdfast::rpc {

grpc::Status ToGrpc(const absl::Status& status);

// A status that gRPC made itself (no detail) becomes kUnreachable 6001, kPermission 6002 or kFailed
// 6003.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace holdfast::rpc
