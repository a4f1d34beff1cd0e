// Goal: the one document of the state of things says what is broken and why, for the command line
// and the HTTP API alike.
#include "common/report/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'767'783'600);

std::uint64_t MsBefore(absl::Duration age) {
  return static_cast<std::uint64_t>(absl::ToUnixMillis(kNow - age));
}

StatusReport WellStatus() {
  StatusReport status;
  status.installation.initialized = true;
  SourceStatus db;
  db.source.name = "db";
  db.source.kind = "postgres";
  db.agent_name = "shop-1";
  db.newest = SnapshotSummary();
  db.newest->source_name = "db";
  db.newest->seq = 7;
  db.schedule = SourceSchedule();
  db.schedule->cron = {"0 2 * * *", "default", "", "", 0};
  db.schedule->next_ms = {MsBefore(-absl::Hours(3))};
  db.objective = SourceObjective();
  db.objective->standing.rpo = {"24h", "default", "", "", 0};
  db.objective->standing.rto = {"4h", "default", "", "", 0};
  db.objective->standing.state = "met";
  status.sources.push_back(db);
  SystemObjective shop;
  shop.name = "shop";
  shop.sources = {"db"};
  shop.standing = db.objective->standing;
  status.systems.push_back(shop);
  status.alert_channels = 1;
  return status;
}

std::vector<std::string> TextsOf(const StatusReport& status) {
  std::vector<std::string> texts;
  for (const Warning& one : WarningsOf(status, kNow)) texts.push_back(one.text);
  return texts;
}

TEST(DocumentsTest, WhenAllIsWellNothingIsBrokenAndNobodyIsWarned) {
  const StatusReport status = WellStatus();
  EXPECT_THAT(TextsOf(status), IsEmpty());
  const Json told = StatusJson(status, {});
  EXPECT_EQ(told["objectives_broken"], Json::array());
  EXPECT_EQ(told["warnings"], Json::array());
  EXPECT_EQ(told["sources"][0]["schedule"]["cron"]["origin"], "default");
  EXPECT_EQ(told["sources"][0]["schedule"]["next"][0], JsonTime(MsBefore(-absl::Hours(3))));
  EXPECT_EQ(told["sources"][0]["objective"]["rpo"]["value"], "24h");
  EXPECT_EQ(told["systems"][0]["sources"], Json::array({"db"}));
  EXPECT_EQ(told["alerts"]["channels"], 1);
}

TEST(DocumentsTest, BrokenObjectivesAreNamedSystemsFirst) {
  StatusReport status = WellStatus();
  ObjectiveStanding& standing = status.sources[0].objective->standing;
  standing.state = "broken";
  standing.broken = true;
  standing.age_seconds = 26 * 3600;
  status.systems[0].standing.broken = true;
  EXPECT_THAT(BrokenOf(status), ElementsAre("shop", "db"));
  EXPECT_THAT(TextsOf(status), ElementsAre("source 'db' breaks its objective: nothing newer than "
                                           "26h00m can be restored, 24h is allowed"));
  const Json told = StatusJson(status, WarningsOf(status, kNow));
  EXPECT_EQ(told["objectives_broken"], Json::array({"shop", "db"}));
  EXPECT_EQ(told["warnings"][0]["hint"], "holdfast backup db");
  EXPECT_EQ(told["sources"][0]["objective"]["broken"], true);
}

TEST(DocumentsTest, WhatSchedulesAndRunsSayIsWarnedOf) {
  StatusReport status = WellStatus();
  SourceStatus& db = status.sources[0];
  db.last_error = "no connection";
  db.last_error_code = 2114;
  db.last_error_at_ms = MsBefore(absl::Minutes(2));
  db.failures_in_row = 3;
  db.schedule->paused_at_ms = MsBefore(absl::Hours(1));
  db.schedule->paused_by = "ana";
  db.schedule->skipped_in_row = 2;
  db.objective->standing.restore_too_slow = true;
  db.objective->standing.restore_measured = true;
  db.objective->standing.restore_seconds = 5 * 3600;
  EXPECT_THAT(
      TextsOf(status),
      ElementsAre("source 'db' failed 2m00s ago: no connection (3 times in a row) (HF-2114)",
                  "a restore of source 'db' takes 5h00m of 4h TOO SLOW",
                  "the schedule of source 'db' is paused by ana",
                  HasSubstr("2 scheduled runs of source 'db' were skipped in a row")));
}

TEST(DocumentsTest, WhatIsNotKnownIsNull) {
  StatusReport status = WellStatus();
  status.sources[0].schedule.reset();
  status.sources[0].objective.reset();
  status.sources[0].newest.reset();
  const Json told = StatusJson(status, {});
  EXPECT_TRUE(told["sources"][0]["schedule"].is_null());
  EXPECT_TRUE(told["sources"][0]["objective"].is_null());
  EXPECT_TRUE(told["sources"][0]["newest"].is_null());
  EXPECT_THAT(BrokenOf(status), IsEmpty());
}

}  // namespace
}  // namespace holdfast::report
