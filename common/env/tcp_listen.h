// A listening TCP socket.
//
// Hides:      getaddrinfo, SO_REUSEADDR, and where a bound port is found.
// Invariants: the first address of the host that can be bound is listened on, and no other: a name
//             is rarely meant, "[::]" takes IPv4 as well.
// Threading:  independent calls.
// Errors:     kConflict 1007 with the system's words.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/env/unique_fd.h"

namespace holdfast {

// `host` is a name or an address, IPv6 with or without brackets; port 0 is any that is free. What
// is accepted inherits TCP_NODELAY.
absl::StatusOr<UniqueFd> ListenTcp(const std::string& host, int port, int backlog);
int LocalPort(int fd);

}  // namespace holdfast
