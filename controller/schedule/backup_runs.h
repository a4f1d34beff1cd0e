// Backup runs, as the scheduler needs them: something starts them and knows which are active.
//
// Invariants: a run that was started or expected ends with Scheduler::Finished, unless it was
//             withdrawn.
// Threading:  every method from any thread; none waits. Only Settle may call the scheduler back.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::schedule {

struct RunState {
  enum class Kind { kIdle, kWaiting, kRunning };
  Kind kind = Kind::kIdle;
  absl::Time since;  // running
};

class BackupRuns {
 public:
  virtual ~BackupRuns() = default;

  enum class Started {
    kStarted,
    kWaiting,  // the agent is away: it gets the run when it connects
    kBusy,     // another run of this source is active: nothing was started
  };
  virtual absl::StatusOr<Started> Start(const catalog::SourceRow& source, const Bytes& run_id) = 0;
  // A run that a predecessor of this process claimed: the agent may be at it, may have ended it or
  // may never have heard of it. It gets the run when it connects without knowing it.
  virtual absl::Status Expect(const catalog::SourceRow& source, const Bytes& run_id) = 0;
  virtual void Withdraw(const Bytes& run_id) = 0;  // only while it waits
  virtual RunState StateOf(const SourceId& source) = 0;
  virtual void Settle() {}  // ends runs whose agents are lost
};

}  // namespace holdfast::schedule
