// Which sources have an open backup session: one per source, a bounded number per agent.
//
// Invariants: a reconnect of the same run takes the place of its own dead session; another run of
// the source is refused. Threading:  any thread. Errors:     kConflict 5032, kRefused 5033.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"

namespace holdfast::ingest {

class SessionTable {
 public:
  // `cancel` ends the session from another thread. Waits up to `patience` for an older session of
  // the same run.
  absl::Status Enter(const SourceId& source, const AgentId& agent, const Bytes& run_id,
                     std::function<void()> cancel, absl::Duration patience);
  void Leave(const SourceId& source);

 private:
  struct Row {
    AgentId agent;
    Bytes run_id;
    std::function<void()> cancel;
  };
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<SourceId, Row> rows_;
};

}  // namespace holdfast::ingest
