// Client channels to the controller, with all their settings in one place.
//
// Hides:      credentials, name override, keepalive, message limits, switched-off retries and
//             compression.
// Invariants: an agent channel always uses mutual TLS with the pinned CA; a local channel always
//             goes to a Unix socket.
// Threading:  channels may be shared by threads.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/rpc/tls.h"

namespace grpc {
class Channel;
class ClientContext;
class ServerBuilder;
}  // namespace grpc

namespace holdfast::rpc {

inline constexpr int kMaxMessageBytes = 6 << 20;
inline constexpr std::uint32_t kProtocolVersion = 1;
// Who types a command, for what is written down about a change. Any bytes.
inline constexpr char kOperatorMetadata[] = "holdfast-operator-bin";

std::shared_ptr<grpc::Channel> OpenLocalChannel(const std::string& socket_path);
std::shared_ptr<grpc::Channel> OpenAgentChannel(const std::string& address,
                                                const TlsIdentity& identity);

// A call ends with DEADLINE_EXCEEDED after `limit`, however the wall clock jumps.
void SetDeadline(grpc::ClientContext& context, std::chrono::seconds limit);

// Limits, keepalive enforcement and connection ages of a server.
void ApplyServerSettings(grpc::ServerBuilder& builder);

}  // namespace holdfast::rpc
