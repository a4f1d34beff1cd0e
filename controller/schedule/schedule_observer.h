// Who wants to know what the scheduler could not do as planned. Does nothing by default.
// Threading: called with the scheduler's lock held: must not call it back, nor block for long.
#pragma once

#include "absl/time/time.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::schedule {

inline constexpr std::uint64_t kSkipsBeforeEvent = 2;  // one skip may be a long run
inline constexpr absl::Duration kLateAfter = absl::Minutes(15);

class ScheduleObserver {
 public:
  virtual ~ScheduleObserver() = default;
  // So many times of the calendar went without a run: this program was down, or the agent away.
  virtual void OnMissed(const catalog::SourceRow&, std::uint64_t) {}
  // A run has waited kLateAfter for its agent. Once for each run.
  virtual void OnLate(const catalog::SourceRow&) {}
  // The run before was still active; so many times in a row. From kSkipsBeforeEvent on it is
  // trouble.
  virtual void OnSkipped(const catalog::SourceRow&, std::uint64_t) {}
  // A run that should have begun at `planned` has begun now: after OnLate, or after this program
  // was down.
  virtual void OnCaughtUp(const catalog::SourceRow&, absl::Time) {}
};

}  // namespace holdfast::schedule
