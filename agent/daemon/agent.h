// The running agent: control stream, job runner, certificate renewal; and how it is enrolled.
//
// Invariants: I1  The agent dials out only; nothing listens.
//             I2  The domain's documents are published before the first job of a connection.
//             I3  The certificate is renewed with the same key when a third of its life is left.
// Threading:  Start and the destructor on one thread.
// Errors:     kConflict when another agent uses the data directory, kRefused when it is not
//             enrolled.
#pragma once

#include <memory>
#include <string>

#include "agent/daemon/agent_config.h"
#include "agent/daemon/agent_state.h"

namespace holdfast::daemon {

class Agent {
 public:
  static absl::StatusOr<std::unique_ptr<Agent>> Start(Env env, AgentConfig config);
  ~Agent();
  const std::string& name() const;
  const std::string& controller() const;
  void Probe() const;  // returns unless a lock is stuck: for the watchdog

  // Takes what can change while it runs: sources, restore_roots, upload. An error: all stays as it
  // is, and the controller is told that the file cannot be used.
  absl::Status Reload(const std::string& config_path);

 private:
  struct Impl;
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Redeems a join token: makes keys and domain secrets, gets a certificate, writes the state.
// kConflict 6067 when the directory holds an identity already.
absl::StatusOr<AgentState> Enroll(Env env, const std::string& data_directory,
                                  std::string_view token_text);
// The same for an agent that has its keys and whose controller was set up anew on the old store:
// only address, CA and certificate change. kPermission 6069 when the token is of another owner or
// for another name.
absl::StatusOr<AgentState> EnrollAgain(Env env, const std::string& data_directory,
                                       std::string_view token_text);

std::string HostName();

}  // namespace holdfast::daemon
