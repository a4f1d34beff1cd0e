// Which sources have an open backup session: one per source, a bounded number per agent.
//
// Invariants: a reconnect of the same run takes the place of its own dead session; another run of
//             the source is refused.
// Threading:  any thread.
// Errors:     kConflict 5032, kRefused 5033.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "controller/catalog/collection.h"

namespace holdfast::ingest {

// While it lives, collection spares what the session is told is there, and what it stores.
class CollectionSession {
 public:
  explicit CollectionSession(catalog::Collection& collection)
      : collection_(collection), id_(collection.OpenSession()) {}
  ~CollectionSession() { collection_.CloseSession(id_); }
  CollectionSession(const CollectionSession&) = delete;
  CollectionSession& operator=(const CollectionSession&) = delete;

 private:
  catalog::Collection& collection_;
  const std::uint64_t id_;
};

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
