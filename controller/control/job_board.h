// Jobs between operators and agents: queued to a connected agent, watched until their result.
//
// Hides:      the outbound queue of each agent's stream, progress fan-out, agents that vanish with
//             a job.
// Invariants: I1  Every job started ends with exactly one result: the agent's, or kUnreachable made
//                 here when its agent came back without it or stayed away for kAgentPatience. One
//                 that was never sent waits for its agent, however long; it may be withdrawn.
//             I2  At most one backup job per source runs at a time.
//             I3  Jobs live in memory: after a restart of the controller they are unknown
//                 (kNotFound); what they committed is in the catalog.
// Threading:  every method from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "common/env/env.h"

namespace holdfast::v1 {
class ControllerMessage;
class Job;
class JobEvent;
class JobProgress;
class JobResult;
}  // namespace holdfast::v1

namespace holdfast::control {

inline constexpr absl::Duration kAgentPatience = absl::Minutes(2);

// What waits to be sent to one connected agent.
class AgentLink {
 public:
  void Push(v1::ControllerMessage message);
  // Waits up to a second; null when there is nothing yet. `closed` tells that the link is over.
  std::unique_ptr<v1::ControllerMessage> Pop(bool* closed);
  void Close();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::ControllerMessage> queue_;
  bool closed_ = false;
};

class JobBoard {
 public:
  // `on_result` is called once per job, without locks held.
  JobBoard(Env env, std::function<void(const v1::Job&, const v1::JobResult&)> on_result);
  ~JobBoard();

  // An agent's stream opened; a link of the same agent that was open is closed. `running` are the
  // jobs it still works on.
  std::shared_ptr<AgentLink> Attach(const AgentId& agent, const std::vector<Bytes>& running);
  void Detach(const AgentId& agent, const std::shared_ptr<AgentLink>& link);
  bool IsConnected(const AgentId& agent) const;
  // What an agent says about its configuration, as long as it is connected.
  void NoteConfig(const AgentId& agent, bool refused);
  bool RefusedItsConfig(const AgentId& agent) const;
  void Disconnect(const AgentId& agent);  // removed by an operator

  // kUnreachable 6040 when the agent is not connected, kConflict 6041 (I2).
  absl::Status Start(const AgentId& agent, const std::string& agent_name, const v1::Job& job);
  // The agent gets the job when it connects, unless it says then that it is at it. kConflict 6041
  // (I2).
  absl::Status StartWhenConnected(const AgentId& agent, const v1::Job& job);
  void Withdraw(const Bytes& job_id);  // only while it was not sent
  absl::Status Cancel(const Bytes& job_id);
  void Report(const AgentId& agent, const v1::JobProgress& progress);
  void Finish(const AgentId& agent, const v1::JobResult& result);

  // Events of these jobs until each has its result; `emit` false or `stopped` true ends it early.
  absl::Status Watch(const std::vector<Bytes>& job_ids,
                     const std::function<bool(const v1::JobEvent&)>& emit,
                     const std::function<bool()>& stopped);

  // Gives the jobs of agents that stayed away too long their result.
  void FinishLost();

  struct ActiveBackup {
    bool sent = false;  // its agent has it
    absl::Time sent_at;
  };
  std::optional<ActiveBackup> BackupOf(const SourceId& source) const;
  std::size_t CountUnfinished() const;
  // True while anybody has an unfinished restore or verify job that names `source`.
  bool IsRead(const SourceId& source) const;
  // True while `agent` has an unfinished restore or verify job that names `source`.
  bool MayRead(const AgentId& agent, const SourceId& source) const;

 private:
  struct JobState;
  struct AgentState;
  static bool Reads(const JobState& job, const SourceId& source);
  const JobState* FindBackup(const SourceId& source) const;
  absl::Status Add(const AgentId& agent, const v1::Job& job);
  void Send(AgentLink& link, JobState* state);
  void Complete(const Bytes& id, const v1::JobResult& result);

  Env env_;
  const std::function<void(const v1::Job&, const v1::JobResult&)> on_result_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<Bytes, std::unique_ptr<JobState>> jobs_;
  std::deque<Bytes> finished_;  // oldest first, at most kKeptJobs
  std::map<AgentId, AgentState> agents_;
};

}  // namespace holdfast::control
