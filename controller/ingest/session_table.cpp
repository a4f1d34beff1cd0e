#include "controller/ingest/session_table.h"

#include <algorithm>

#include "common/base/error.h"
#include "controller/ingest/ingest_service.h"

namespace holdfast::ingest {

absl::Status SessionTable::Enter(const SourceId& source, const AgentId& agent, const Bytes& run_id,
                                 std::function<void()> cancel, absl::Duration patience) {
  std::unique_lock lock(mutex_);
  if (const auto old = rows_.find(source); old != rows_.end()) {
    const auto busy = [] {
      return Error(ErrorKind::kConflict, 5032,
                   "unable to open the backup session: a backup of this source is running",
                   "Wait for it to end; see 'holdfast status'.");
    };
    if (old->second.agent != agent || old->second.run_id != run_id) return busy();
    old->second.cancel();
    if (!changed_.wait_for(lock, absl::ToChronoMilliseconds(patience),
                           [&] { return !rows_.contains(source); })) {
      return busy();
    }
  }
  const auto of_agent = std::count_if(rows_.begin(), rows_.end(),
                                      [&](const auto& row) { return row.second.agent == agent; });
  if (of_agent >= kMaxSessionsPerAgent) {
    return Error(ErrorKind::kRefused, 5033,
                 "unable to open the backup session: this agent has four open sessions",
                 "Let one of them end first.");
  }
  rows_[source] = {agent, run_id, std::move(cancel)};
  return absl::OkStatus();
}

void SessionTable::Leave(const SourceId& source) {
  std::lock_guard lock(mutex_);
  rows_.erase(source);
  changed_.notify_all();
}

}  // namespace holdfast::ingest
