// Takes the connections of a listening socket and hands them on.
//
// Why not gRPC's own listener: it closes for good at the first accept(2) that fails with EMFILE
// (gRPC 1.51, tcp_server_posix.cc), and the controller would be deaf until it is started again.
// Invariants: while no descriptor or memory is free, what connects waits in the kernel's queue, and
//             is taken when there is; said once a minute.
// Threading:  one thread of its own, on which `take` runs; when the destructor returns, it never
//             will again.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "common/env/clock.h"
#include "common/env/unique_fd.h"

namespace holdfast::daemon {

class AcceptLoop {
 public:
  // `whose` is for the log: "agents". `take` owns the descriptor, which does not block.
  AcceptLoop(Clock& clock, UniqueFd listener, std::string whose, std::function<void(int fd)> take);
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

 private:
  void Run(const std::stop_token& stop);

  Clock& clock_;
  const UniqueFd listener_;
  const std::string whose_;
  const std::function<void(int)> take_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace holdfast::daemon
