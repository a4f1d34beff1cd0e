// The part of the catalog that plans: what operators set by command, where each schedule stands,
// how fast restores were. What is decided from it is controller/schedule's and
// controller/objective's.
//
// Hides:      SQL.
// Invariants: I1  Every method is one transaction. A run that was claimed (SetSchedule with a run
//                 id) is there after a crash, or it never was.
//             I2  Where schedules stand has one writer, the scheduler: it writes whole rows.
// Threading:  every method from any thread.
// Errors:     as catalog.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/format/settings.h"

namespace holdfast::catalog {

// A value that an operator set by command. Scope and key are those of the reader:
// ("source:<id in hex>", "schedule.cron").
struct SettingRow {
  std::string scope;
  std::string key;
  std::string value;  // empty, when given to SetSettings: not set any more
  std::string set_by;
  std::uint64_t set_at_ms = 0;
};

// Where a source's schedule stands. Times are Unix milliseconds; 0: none.
struct ScheduleRow {
  SourceId source;
  std::uint64_t first_seen_ms = 0;
  std::uint64_t due_ms = 0;    // the next time of the calendar, without jitter
  std::uint64_t fired_ms = 0;  // the time of the calendar that was handled last: run or skipped
  Bytes run_id;                // claimed, and its result is not known yet
  std::uint64_t skipped = 0;   // times at which a run was still active
  std::uint64_t skipped_in_row = 0;
  std::uint64_t missed = 0;  // times for which there was no run
  std::uint64_t paused_at_ms = 0;
  std::string paused_by;
  std::uint64_t retries = 0;      // of the time that was handled last, the coming one included
  std::uint64_t retry_at_ms = 0;  // when a run that failed is tried again

  bool operator==(const ScheduleRow&) const = default;
};

// A restore that says how fast restores of its source are.
struct RestoreMeasure {
  SourceId source;
  std::uint64_t bytes = 0;
  std::uint64_t duration_ms = 0;
  std::uint64_t at_ms = 0;
};

class Planning {
 public:
  virtual ~Planning() = default;

  virtual absl::StatusOr<std::vector<SettingRow>> ListSettings() = 0;
  virtual absl::Status SetSettings(const std::vector<SettingRow>& settings) = 0;  // all or none
  // All that operators set by command, and the newest 1,000 rows of the audit trail, as they are at
  // one moment: for the store, see CatalogBuilder::ImportSettings.
  virtual absl::StatusOr<SettingTables> ExportSettings() = 0;

  virtual absl::StatusOr<std::vector<ScheduleRow>> ListSchedules() = 0;
  virtual absl::Status SetSchedule(const ScheduleRow& row) = 0;  // kNotFound 5022

  virtual absl::StatusOr<std::vector<RestoreMeasure>> ListRestoreMeasures() = 0;
  virtual absl::Status SetRestoreMeasure(const RestoreMeasure& measure) = 0;
};

}  // namespace holdfast::catalog
