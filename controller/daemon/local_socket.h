// The operators' Unix socket: accepts, asks the kernel who is there, hands the connection to gRPC.
//
// Invariants: only root and the daemon's own user get through (SO_PEERCRED, unix(7)); the socket
//             file is mode 0600 and removed at the end. A file left by a dead predecessor is
//             replaced (the data directory's lock proves that it is dead).
// Threading:  one accepting thread of its own.
// Errors:     kConflict 6054 when the path cannot be bound.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/env/clock.h"

namespace holdfast::daemon {

class LocalSocket {
 public:
  // `take` owns the descriptor it is given.
  static absl::StatusOr<std::unique_ptr<LocalSocket>> Listen(Clock& clock, const std::string& path,
                                                             std::function<void(int fd)> take);
  ~LocalSocket();

 private:
  struct Impl;
  explicit LocalSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::daemon
