// Settings, schedules and measures over the catalog's own connections.
//
// Hides:      SQL is in planning.cpp and settings_tables.cpp.
// Invariants: as planning.h.
// Threading:  every method from any thread.
// Errors:     as planning.h.
#pragma once

#include "controller/catalog/planning.h"

namespace holdfast::catalog {

class SqliteCatalog;

class SqlitePlanning final : public Planning {
 public:
  explicit SqlitePlanning(SqliteCatalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<std::vector<SettingRow>> ListSettings() override;
  absl::Status SetSettings(const std::vector<SettingRow>& settings) override;
  absl::StatusOr<SettingTables> ExportSettings() override;
  absl::StatusOr<std::vector<ScheduleRow>> ListSchedules() override;
  absl::Status SetSchedule(const ScheduleRow& row) override;
  absl::StatusOr<std::vector<RestoreMeasure>> ListRestoreMeasures() override;
  absl::Status SetRestoreMeasure(const RestoreMeasure& measure) override;

 private:
  SqliteCatalog& catalog_;
};

}  // namespace holdfast::catalog
