// Backs sources up by the calendar: claims runs, hands them to their agents, counts what could not
// be.
//
// Hides:      where each schedule stands, what survives a crash, where a plan's values come from.
// Invariants: I1  A run is claimed in the catalog, under the id with which it may be committed
//                 once, before an agent hears of it. After a crash it is offered again under that
//                 id: no run is lost, none is made twice.
//             I2  One run of a source at a time: a time that comes while one is active is skipped
//                 and counted. A run whose agent is away waits for it; times that come meanwhile
//                 are counted as missed.
//             I3  After any pause of this program or leap of the clock a source gets one run, its
//                 jitter later. See look.h.
//             I4  What is paused has no runs, and catches nothing up afterwards.
//             I5  A claimed run that failed is tried again (retry.h) unless a newer time of the
//                 calendar comes first, another run of the source makes a snapshot, or it is
//                 paused. The waiting goes by the running clock, and survives a crash.
// Threading:  every method from any thread. The observer is called with a lock held: it must not
//             call back.
// Errors:     of the catalog; kUsage 5090 to 5092 for plans, kNotFound 5093 for a group.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/schedule/backup_runs.h"
#include "controller/schedule/look.h"
#include "controller/schedule/schedule_config.h"
#include "controller/schedule/schedule_observer.h"
#include "controller/schedule/setting.h"

namespace holdfast::schedule {

// All that is known of one source's schedule.
struct SourceSchedule {
  catalog::SourceRow source;
  std::string agent_name;
  std::string group;  // empty: none
  Setting cron;
  Setting zone;
  Setting jitter;
  std::string problem;  // why the plan cannot be used; empty: it can
  catalog::ScheduleRow row;
  RunState run;
  std::optional<absl::Time> retry;  // when a run that failed is tried again; also in `next`
  std::vector<absl::Time> next;     // when the coming runs begin; empty while paused
};

class Scheduler {
 public:
  // All outlive the scheduler.
  Scheduler(Env env, catalog::Catalog& catalog, BackupRuns& runs, ScheduleConfig config,
            ScheduleObserver& observer);

  // Before the first Tick and before agents connect: takes up what a predecessor claimed.
  absl::Status Load();
  // A look at every source; called each second. One source's trouble does not hinder the others.
  absl::Status Tick();
  // A backup ended, whoever started it.
  enum class Outcome { kDone, kFailed, kFailedForGood };  // for good: see MayPass
  absl::Status Finished(const SourceId& source, ByteView run_id, Outcome outcome);

  absl::StatusOr<std::vector<SourceSchedule>> List(std::size_t runs_ahead);
  void Reconfigure(ScheduleConfig config);

  // What operators change. Absent values stay as they are.
  struct Change {
    PlanTexts plan;
    bool use_default = false;  // forget what was set by command
    std::string by;
  };
  absl::Status SetForSource(const SourceId& source, const Change& change);
  absl::Status SetForGroup(const std::string& group, const Change& change);
  absl::Status Pause(const SourceId& source, const std::string& by);
  absl::Status Resume(const SourceId& source, const std::string& by);

 private:
  struct Entry {
    catalog::ScheduleRow row;                     // as in the catalog
    std::optional<absl::Duration> waiting_since;  // a claimed run that its agent does not have
    bool told_late = false;                       // of the waiting run
    std::optional<absl::Duration> late_since;     // a time that was missed, seen first
    std::optional<absl::Duration> retry_due;      // of the row's retry, by the running clock
  };
  enum class Cause { kCalendar, kLate, kRetry };
  struct Texts {
    std::string group;
    Setting cron;
    Setting zone;
    Setting jitter;
  };

  Entry& EntryOf(const SourceId& source);
  absl::Status Put(Entry* entry, const catalog::ScheduleRow& row);
  absl::Status PutAudited(Entry* entry, const catalog::ScheduleRow& row,
                          const catalog::AuditEntry& audit);
  void Remember(Entry* entry, const catalog::ScheduleRow& row);
  Texts TextsOf(const catalog::SourceRow& source, const std::string& agent_name) const;
  absl::StatusOr<std::string> AgentName(const AgentId& agent);
  absl::Status TickSource(const catalog::SourceRow& source);
  void WatchWaiting(const catalog::SourceRow& source, Entry* entry);
  absl::Status Fire(const catalog::SourceRow& source, Entry* entry, const Look& look, bool is_late);
  absl::Status RetryIfDue(const catalog::SourceRow& source, Entry* entry);
  absl::Status Claim(const catalog::SourceRow& source, Entry* entry, catalog::ScheduleRow row,
                     Cause cause);
  absl::Status NotStarted(const catalog::SourceRow& source, Entry* entry, catalog::ScheduleRow row,
                          Cause cause);
  absl::Status Skip(const catalog::SourceRow& source, Entry* entry, catalog::ScheduleRow row);
  absl::Status SetValues(const std::string& scope, const std::string& object, const Change& change);
  void FollowRetry(Entry* entry);
  void PlanRetry(const SourceId& source, catalog::ScheduleRow* row);
  static void ForgetRetry(catalog::ScheduleRow* row);

  const Env env_;
  catalog::Catalog& catalog_;
  BackupRuns& runs_;
  ScheduleObserver& observer_;
  std::mutex mutex_;  // guards all below
  ScheduleConfig config_;
  CommandSettings commands_;
  std::map<SourceId, Entry> entries_;
  std::map<AgentId, std::string> agent_names_;
};

}  // namespace holdfast::schedule
