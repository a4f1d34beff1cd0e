// The running controller: everything wired together, from lock to listening sockets.
//
// Hides:      order of start and stop, the two gRPC servers (agents over mutual TLS, operators over
//             the local socket).
// Invariants: I1  One controller per data directory (flock); a second one fails with kConflict
//                 before it touches anything.
//             I2  When Start returns, agents can connect and what a crash left has been recovered.
// Threading:  Start and the destructor on one thread.
#pragma once

#include <memory>

#include "common/env/env.h"
#include "controller/daemon/controller_config.h"

namespace holdfast::daemon {

class Controller {
 public:
  static absl::StatusOr<std::unique_ptr<Controller>> Start(Env env, ControllerConfig config);
  ~Controller();

  // Takes what can change while it runs: schedule, objectives and whom alerts tell. An error: all
  // stays as it is, `holdfast status` says so, and people are told.
  absl::Status Reload(const std::string& config_path);

  int agent_port() const;
  int enrollment_port() const;
  int http_port() const;  // 0: nobody listens
  void Probe() const;     // returns unless the catalog is stuck: for the watchdog

 private:
  struct Impl;
  explicit Controller(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::daemon
