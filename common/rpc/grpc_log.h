// gRPC's own log lines as lines of ours.
//
// Hides:      gpr_log.
// Invariants: a refused TLS handshake is reported to `on_refused` with OpenSSL's reason, escaped;
//             gRPC's errors become warnings, at most one per place in its code and minute; all else
//             that it has to say is dropped. gRPC tells neither certificate nor address.
// Threading:  once per process, before the first channel or server; `on_refused` is called from
//             gRPC's threads.
#pragma once

#include <functional>
#include <string>

#include "common/env/clock.h"

namespace holdfast::rpc {

void TakeGrpcLog(Clock& clock, std::function<void(const std::string& reason)> on_refused);

}  // namespace holdfast::rpc
