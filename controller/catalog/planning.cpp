// Settings, where schedules stand, measured restores.
#include "controller/catalog/planning.h"

#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {

absl::StatusOr<std::vector<SettingRow>> SqlitePlanning::ListSettings() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<std::vector<SettingRow>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT scope,key,value,set_by,set_at FROM setting ORDER BY scope,key"));
    std::vector<SettingRow> settings;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return settings;
      settings.push_back({row.Blob(0), row.Blob(1), row.Blob(2), row.Blob(3), row.Unsigned(4)});
    }
  });
}

absl::Status SqlitePlanning::SetSettings(const std::vector<SettingRow>& settings) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    for (const SettingRow& one : settings) {
      if (one.value.empty()) {
        RETURN_IF_ERROR(
            db.Run("DELETE FROM setting WHERE scope=?1 AND key=?2", one.scope, one.key));
        continue;
      }
      RETURN_IF_ERROR(db.Run(
          "INSERT OR REPLACE INTO setting(scope,key,value,set_by,set_at) VALUES(?1,?2,?3,?4,?5)",
          one.scope, one.key, one.value, one.set_by, one.set_at_ms));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<ScheduleRow>> SqlitePlanning::ListSchedules() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<std::vector<ScheduleRow>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare(
            "SELECT s.id,p.first_seen,p.due,p.fired,p.run_id,p.skipped,p.skipped_in_row,"
            "p.missed,p.paused_at,p.paused_by,p.retries,p.retry_at FROM schedule p JOIN source s "
            "ON s.row=p.source ORDER BY p.source"));
    std::vector<ScheduleRow> schedules;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return schedules;
      ScheduleRow one;
      ASSIGN_OR_RETURN(one.source, row.Id<SourceId>(0));
      one.first_seen_ms = row.Unsigned(1);
      one.due_ms = row.Unsigned(2);
      one.fired_ms = row.Unsigned(3);
      one.run_id = row.Blob(4);
      one.skipped = row.Unsigned(5);
      one.skipped_in_row = row.Unsigned(6);
      one.missed = row.Unsigned(7);
      one.paused_at_ms = row.Unsigned(8);
      one.paused_by = row.Blob(9);
      one.retries = row.Unsigned(10);
      one.retry_at_ms = row.Unsigned(11);
      schedules.push_back(std::move(one));
    }
  });
}

absl::Status SqlitePlanning::SetSchedule(const ScheduleRow& row) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, row.source));
    return db.Run(
        "INSERT OR REPLACE INTO schedule(source,first_seen,due,fired,run_id,skipped,"
        "skipped_in_row,missed,paused_at,paused_by,retries,retry_at) "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
        found.source.row, row.first_seen_ms, row.due_ms, row.fired_ms, row.run_id, row.skipped,
        row.skipped_in_row, row.missed, row.paused_at_ms, row.paused_by, row.retries,
        row.retry_at_ms);
  });
}

absl::StatusOr<std::vector<RestoreMeasure>> SqlitePlanning::ListRestoreMeasures() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<std::vector<RestoreMeasure>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare("SELECT s.id,m.bytes,m.duration_ms,m.at FROM restore_measure m "
                                "JOIN source s ON s.row=m.source ORDER BY m.source"));
    std::vector<RestoreMeasure> measures;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return measures;
      RestoreMeasure one;
      ASSIGN_OR_RETURN(one.source, row.Id<SourceId>(0));
      one.bytes = row.Unsigned(1);
      one.duration_ms = row.Unsigned(2);
      one.at_ms = row.Unsigned(3);
      measures.push_back(one);
    }
  });
}

absl::Status SqlitePlanning::SetRestoreMeasure(const RestoreMeasure& measure) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, measure.source));
    return db.Run(
        "INSERT OR REPLACE INTO restore_measure(source,bytes,duration_ms,at) VALUES(?1,?2,?3,?4)",
        found.source.row, measure.bytes, measure.duration_ms, measure.at_ms);
  });
}

}  // namespace holdfast::catalog
