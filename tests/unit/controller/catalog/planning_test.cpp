// Goal: settings, schedules and measures are there after a restart as they were set, and a catalog
// of version 3 gets them without losing anything.
#include <sqlite3.h>

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class PlanningTest : public CatalogTest {
 protected:
  PlanningTest() { AddAgent(1); }
};

TEST_F(PlanningTest, SettingsAreSetReplacedAndForgotten) {
  Planning& planning = catalog_->planning();
  ASSERT_TRUE(
      planning.SetSettings({{"source:1", "cron", "a", "root", 5}, {"group:x", "cron", "b", "", 6}})
          .ok());
  ASSERT_TRUE(planning.SetSettings({{"source:1", "cron", "c", "anna", 7}}).ok());
  Reopen();
  const auto settings = catalog_->planning().ListSettings().value();
  ASSERT_EQ(settings.size(), 2u);
  EXPECT_EQ(settings[1].scope, "source:1");
  EXPECT_EQ(settings[1].value, "c");
  EXPECT_EQ(settings[1].set_by, "anna");
  EXPECT_EQ(settings[1].set_at_ms, 7u);
  ASSERT_TRUE(catalog_->planning().SetSettings({{"source:1", "cron", "", "", 0}}).ok());
  EXPECT_EQ(catalog_->planning().ListSettings()->size(), 1u);
}

TEST_F(PlanningTest, WhereASchedulesStandsIsKeptWhole) {
  ScheduleRow row;
  row.source = IdOf<SourceId>(1);
  row.first_seen_ms = 1;
  row.due_ms = 2;
  row.fired_ms = 3;
  row.run_id = Bytes(16, '\0');
  row.skipped = 4;
  row.skipped_in_row = 5;
  row.missed = 6;
  row.paused_at_ms = 7;
  row.paused_by = "root";
  ASSERT_TRUE(catalog_->planning().SetSchedule(row).ok());
  Reopen();
  const auto rows = catalog_->planning().ListSchedules().value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].source, row.source);
  EXPECT_EQ(rows[0].first_seen_ms, 1u);
  EXPECT_EQ(rows[0].due_ms, 2u);
  EXPECT_EQ(rows[0].fired_ms, 3u);
  EXPECT_EQ(rows[0].run_id, row.run_id);
  EXPECT_EQ(rows[0].skipped, 4u);
  EXPECT_EQ(rows[0].skipped_in_row, 5u);
  EXPECT_EQ(rows[0].missed, 6u);
  EXPECT_EQ(rows[0].paused_at_ms, 7u);
  EXPECT_EQ(rows[0].paused_by, "root");
  row.source = IdOf<SourceId>(99);
  EXPECT_EQ(CodeOf(catalog_->planning().SetSchedule(row)), 5022);
}

TEST_F(PlanningTest, MeasuresAreReplaced) {
  ASSERT_TRUE(catalog_->planning().SetRestoreMeasure({IdOf<SourceId>(1), 100, 20, 3}).ok());
  ASSERT_TRUE(catalog_->planning().SetRestoreMeasure({IdOf<SourceId>(1), 200, 30, 4}).ok());
  Reopen();
  const auto measures = catalog_->planning().ListRestoreMeasures().value();
  ASSERT_EQ(measures.size(), 1u);
  EXPECT_EQ(measures[0].bytes, 200u);
  EXPECT_EQ(measures[0].duration_ms, 30u);
  EXPECT_EQ(measures[0].at_ms, 4u);
}

TEST_F(PlanningTest, FailuresAreCountedUntilASuccess) {
  const SourceId source = IdOf<SourceId>(1);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(catalog_->RecordFailure(source, {i, 10, 2001, "no " + std::to_string(i)}).ok());
  }
  EXPECT_EQ((*catalog_->LastFailure(source))->in_row, 3u);
  EXPECT_EQ((*catalog_->LastFailure(source))->message, "no 3");
  ExpectCommitted(FullCommit(1, 1, {}));
  EXPECT_FALSE(catalog_->LastFailure(source)->has_value()) << "a snapshot ends the row";
  ASSERT_TRUE(catalog_->RecordFailure(source, {9, 10, 2001, "no"}).ok());
  ASSERT_TRUE(catalog_->ClearFailure(source).ok());
  ASSERT_TRUE(catalog_->RecordFailure(source, {9, 10, 2001, "no"}).ok());
  EXPECT_EQ((*catalog_->LastFailure(source))->in_row, 1u);
}

TEST_F(PlanningTest, ACatalogOfVersion3IsBroughtUpToDate) {
  ASSERT_TRUE(catalog_->RecordFailure(IdOf<SourceId>(1), {1, 10, 2001, "no"}).ok());
  catalog_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(db,
                   "DROP TABLE setting; DROP TABLE schedule; DROP TABLE restore_measure;"
                   "DROP TABLE event; DROP TABLE alert; DROP TABLE outbox; DROP TABLE silence;"
                   "DROP TABLE watched; DROP TABLE alert_mark; DROP TABLE audit;"
                   "ALTER TABLE failure DROP COLUMN in_row; PRAGMA user_version=3",
                   nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(db);
  Reopen();
  EXPECT_EQ((*catalog_->LastFailure(IdOf<SourceId>(1)))->in_row, 1u);
  EXPECT_TRUE(catalog_->planning().ListSchedules()->empty());
  EXPECT_EQ(catalog_->ListSources(true)->size(), 1u);
}

TEST_F(PlanningTest, ACatalogOfVersion5KeepsItsSchedulesAndHasNoRetries) {
  ScheduleRow row;
  row.source = IdOf<SourceId>(1);
  row.first_seen_ms = 1;
  row.due_ms = 2;
  row.run_id = Bytes(16, 'r');
  row.missed = 3;
  row.retries = 2;
  row.retry_at_ms = 4;
  ASSERT_TRUE(catalog_->planning().SetSchedule(row).ok());
  Reopen();
  EXPECT_EQ(catalog_->planning().ListSchedules().value(), std::vector<ScheduleRow>{row});
  catalog_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         "ALTER TABLE schedule DROP COLUMN retries;"
                         "ALTER TABLE schedule DROP COLUMN retry_at; DROP TABLE audit;"
                         "PRAGMA user_version=5",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  Reopen();
  row.retries = row.retry_at_ms = 0;
  EXPECT_EQ(catalog_->planning().ListSchedules().value(), std::vector<ScheduleRow>{row});
  EXPECT_EQ(catalog_->audit().ReadAudit(10)->total, 0u);
}

}  // namespace
}  // namespace holdfast::catalog
