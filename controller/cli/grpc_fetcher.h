// Objects and envelopes for an operator, over the controller's socket.
//
// Errors:    those of proto/restore.proto; kUnreachable when the connection is lost.
// Threading: any thread.
#pragma once

#include <memory>

#include "common/snapshot/opener.h"

namespace grpc {
class Channel;
}

namespace holdfast::cli {

std::shared_ptr<ChunkFetcher> MakeGrpcFetcher(std::shared_ptr<grpc::Channel> channel);

}  // namespace holdfast::cli
