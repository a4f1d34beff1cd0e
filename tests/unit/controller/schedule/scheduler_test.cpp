// Goal: every time of the calendar gives exactly one run, or is counted as skipped or missed,
// through crashes, agents that are away, clocks that are set and runs that do not end. Fault rows
// 13, 87, 88, 89.
#include "controller/schedule/scheduler.h"

#include "tests/unit/controller/schedule/schedule_fixture.h"

namespace holdfast::schedule {
namespace {

using test::ScheduleTest;
using Texts = std::vector<std::string>;
using Outcome = Scheduler::Outcome;

TEST_F(ScheduleTest, EverySourceIsBackedUpAtTwoUtcByDefault) {
  SetSources({"db", "uploads"});
  RunFor(absl::Hours(3));
  EXPECT_EQ(Begun(), (Texts{"db 01-07 02:00", "uploads 01-07 02:00"}));
  Finish("db");
  Finish("uploads");
  RunFor(absl::Hours(24));
  EXPECT_EQ(Begun().size(), 4u);
  EXPECT_NE(runs_.begun[0].run_id, runs_.begun[2].run_id);
  EXPECT_TRUE(observer_.notes.empty());
  const SourceSchedule shown = ScheduleOf("db");
  EXPECT_EQ(shown.cron.text, "0 2 * * *");
  EXPECT_EQ(shown.cron.origin, Origin::kDefault);
  EXPECT_EQ(shown.jitter.origin, Origin::kFile);
  ASSERT_EQ(shown.next.size(), 3u);
  EXPECT_EQ(Shown(shown.next[0]), "01-09 02:00");
  EXPECT_EQ(Shown(shown.next[2]), "01-11 02:00");
}

TEST_F(ScheduleTest, JitterBeginsLaterButNeverTwice) {
  ScheduleConfig config;
  config.all.jitter = "30m";
  scheduler_->Reconfigure(config);
  RunFor(absl::Hours(3));
  ASSERT_EQ(runs_.begun.size(), 1u);
  const absl::Duration offset = OffsetOf(Id("db"), absl::Minutes(30));
  const absl::Time expected = absl::FromUnixSeconds(1'767'744'000) + absl::Hours(2) + offset;
  EXPECT_GE(runs_.begun[0].at, expected);
  EXPECT_LE(runs_.begun[0].at, expected + absl::Minutes(1));
  Finish("db");
  RunFor(absl::Hours(24));
  EXPECT_EQ(runs_.begun.size(), 2u);
}

// Fault row 89.
TEST_F(ScheduleTest, ATimeThatComesWhileARunIsActiveIsSkippedAndCounted) {
  RunFor(absl::Hours(24 * 3 + 3));  // the first run does not end
  EXPECT_EQ(Begun(), (Texts{"db 01-07 02:00"}));
  EXPECT_EQ(observer_.notes, (Texts{"db skipped 1", "db skipped 2", "db skipped 3"}));
  EXPECT_EQ(ScheduleOf("db").row.skipped, 3u);
  EXPECT_EQ(ScheduleOf("db").row.skipped_in_row, 3u);
  Finish("db");
  EXPECT_EQ(ScheduleOf("db").row.skipped_in_row, 0u);
  RunFor(absl::Hours(24));
  EXPECT_EQ(Begun().back(), "db 01-11 02:00");
  EXPECT_EQ(ScheduleOf("db").row.skipped, 3u) << "the number ever is kept";
}

TEST_F(ScheduleTest, ARunByHandIsNotDoubled) {
  RunFor(absl::Hours(1));
  ASSERT_TRUE(runs_.Start(ScheduleOf("db").source, Bytes(16, 'm')).ok());
  RunFor(absl::Hours(2));
  EXPECT_EQ(runs_.begun.size(), 1u);
  EXPECT_EQ(observer_.notes, (Texts{"db skipped 1"}));
}

// Fault rows 13 and 88: the agent is away.
TEST_F(ScheduleTest, ARunWaitsForItsAgentAndServesForAllThatPassed) {
  runs_.away = true;
  RunFor(absl::Hours(2.2));
  EXPECT_TRUE(observer_.notes.empty());
  EXPECT_EQ(ScheduleOf("db").run.kind, RunState::Kind::kWaiting);
  RunFor(absl::Hours(0.2));
  EXPECT_EQ(observer_.notes, (Texts{"db late"})) << "told once, when a quarter of an hour is over";
  RunFor(absl::Hours(24 * 2));
  EXPECT_EQ(observer_.notes, (Texts{"db late", "db missed 1", "db missed 1"}));
  EXPECT_EQ(ScheduleOf("db").row.missed, 2u);
  runs_.Connect();
  RunFor(absl::Minutes(5));
  EXPECT_EQ(runs_.begun.size(), 1u);
  EXPECT_EQ(observer_.notes.back(), "db caught up");
  Finish("db");
  RunFor(absl::Hours(24));
  EXPECT_EQ(runs_.begun.size(), 2u);
}

// Fault row 88: this program was down.
TEST_F(ScheduleTest, AfterBeingDownThereIsOneRun) {
  RunFor(absl::Hours(3));
  Finish("db");
  Restart();
  clock_.Run(absl::Hours(24 * 4));
  RunFor(absl::Hours(1));
  EXPECT_EQ(Begun(), (Texts{"db 01-07 02:00", "db 01-11 03:01"}));
  EXPECT_EQ(observer_.notes, (Texts{"db caught up", "db missed 3"}));
  EXPECT_EQ(ScheduleOf("db").row.missed, 3u);
  Finish("db");
  RunFor(absl::Hours(23));
  EXPECT_EQ(Begun().back(), "db 01-12 02:00");
}

TEST_F(ScheduleTest, ACatchUpComesWithItsJitter) {
  config_.all.jitter = "1h";
  Restart();
  RunFor(absl::Hours(1));
  scheduler_.reset();
  clock_.Run(absl::Hours(10));
  StartScheduler();
  const absl::Time up = clock_.now;
  RunFor(absl::Hours(2));
  ASSERT_EQ(runs_.begun.size(), 1u);
  const absl::Duration offset = OffsetOf(Id("db"), absl::Hours(1));
  ASSERT_GT(offset, absl::Minutes(1)) << "the id of this source says nothing";
  EXPECT_GE(runs_.begun[0].at - up, offset);
  EXPECT_LE(runs_.begun[0].at - up, offset + absl::Minutes(2));
}

// Fault row 87.
TEST_F(ScheduleTest, AClockThatLeapsForwardGivesOneRun) {
  RunFor(absl::Hours(1));
  clock_.now += absl::Hours(24 * 30);
  RunFor(absl::Hours(0.5));
  EXPECT_EQ(runs_.begun.size(), 1u);
  Finish("db");
  clock_.now -= absl::Hours(24 * 30);  // put right again
  RunFor(absl::Hours(2));
  EXPECT_EQ(Begun(), (Texts{"db 02-06 01:01", "db 01-07 02:00"}));
  Finish("db");
  RunFor(absl::Hours(24));
  EXPECT_EQ(Begun().back(), "db 01-08 02:00");
  EXPECT_EQ(runs_.begun.size(), 3u);
}

TEST_F(ScheduleTest, AClockThatStepsBackALittleRepeatsNothing) {
  RunFor(absl::Hours(2) + absl::Minutes(1));
  ASSERT_EQ(runs_.begun.size(), 1u);
  Finish("db");
  clock_.now -= absl::Minutes(10);
  RunFor(absl::Hours(1));
  EXPECT_EQ(runs_.begun.size(), 1u);
  RunFor(absl::Hours(24));
  EXPECT_EQ(runs_.begun.size(), 2u);
}

TEST_F(ScheduleTest, ASuspendIsAPause) {
  RunFor(absl::Hours(1));
  clock_.Run(absl::Hours(50));  // both clocks count a sleep of the machine
  RunFor(absl::Minutes(3));
  EXPECT_EQ(runs_.begun.size(), 1u);
  EXPECT_EQ(ScheduleOf("db").row.missed, 2u);
}

// I1: killed after the claim, before the agent heard of it.
TEST_F(ScheduleTest, AClaimSurvivesAndIsOfferedUnderTheSameId) {
  runs_.away = true;
  RunFor(absl::Hours(2));
  const Bytes run_id = ScheduleOf("db").row.run_id;
  ASSERT_EQ(run_id.size(), 16u);
  Restart();
  EXPECT_EQ(runs_.expected, std::vector<Bytes>{run_id});
  RunFor(absl::Hours(1));
  EXPECT_TRUE(runs_.begun.empty());
  runs_.Connect();
  RunFor(absl::Minutes(1));
  ASSERT_EQ(runs_.begun.size(), 1u);
  EXPECT_EQ(runs_.begun[0].run_id, run_id);
}

// I1: killed after the snapshot was committed, before the result was noted.
TEST_F(ScheduleTest, ARunThatCommittedIsNotMadeAgain) {
  RunFor(absl::Hours(2));
  Commit("db", 1, runs_.begun.at(0).run_id);
  Restart();
  EXPECT_TRUE(runs_.expected.empty());
  EXPECT_TRUE(ScheduleOf("db").row.run_id.empty());
  RunFor(absl::Hours(20));
  EXPECT_EQ(runs_.begun.size(), 1u);
}

TEST_F(ScheduleTest, ACrashAtEveryTickLosesAndDoublesNothing) {
  Check(scheduler_->SetForSource(Id("db"), {{"*/10 * * * *", {}, {}}, false, "root"}));
  std::uint64_t seq = 0;
  for (int minute = 0; minute < 120; ++minute) {
    RunFor(absl::Minutes(1));
    Restart();
    if (runs_.active.contains(Id("db"))) {
      Commit("db", ++seq, runs_.active[Id("db")].run_id);
      Finish("db");
    }
  }
  EXPECT_EQ(seq, 12u);
  std::set<Bytes> ids;
  for (const auto& one : runs_.begun) ids.insert(one.run_id);
  EXPECT_EQ(ids.size(), 12u);
  EXPECT_EQ(ScheduleOf("db").row.missed + ScheduleOf("db").row.skipped, 0u);
}

TEST_F(ScheduleTest, AFailedRunEndsItsClaim) {
  RunFor(absl::Hours(2));
  Finish("db", Outcome::kFailed);
  EXPECT_TRUE(ScheduleOf("db").row.run_id.empty());
  Restart();
  EXPECT_TRUE(runs_.expected.empty());
  runs_.start_error = Error(ErrorKind::kFailed, 1, "no");
  clock_.Run(absl::Hours(24));
  EXPECT_FALSE(scheduler_->Tick().ok());
  EXPECT_TRUE(ScheduleOf("db").row.run_id.empty());
  EXPECT_EQ(observer_.notes.back(), "db missed 1");
}

TEST_F(ScheduleTest, WhatIsPausedHasNoRunsAndCatchesNothingUp) {
  RunFor(absl::Hours(1));
  Check(scheduler_->Pause(Id("db"), "root"));
  RunFor(absl::Hours(50));
  EXPECT_TRUE(runs_.begun.empty());
  const SourceSchedule paused = ScheduleOf("db");
  EXPECT_EQ(paused.row.paused_by, "root");
  EXPECT_TRUE(paused.next.empty());
  Restart();
  RunFor(absl::Hours(1));
  Check(scheduler_->Resume(Id("db"), "root"));
  RunFor(absl::Hours(1));
  EXPECT_TRUE(runs_.begun.empty());
  EXPECT_EQ(ScheduleOf("db").row.missed, 0u);
  RunFor(absl::Hours(24));
  EXPECT_EQ(runs_.begun.size(), 1u);
}

TEST_F(ScheduleTest, PausingWithdrawsARunThatWaits) {
  runs_.away = true;
  RunFor(absl::Hours(3));
  Check(scheduler_->Pause(Id("db"), "root"));
  runs_.Connect();
  RunFor(absl::Hours(1));
  EXPECT_TRUE(runs_.begun.empty());
  EXPECT_TRUE(ScheduleOf("db").row.run_id.empty());
}

TEST_F(ScheduleTest, SourcesThatNoAgentHasAnyMoreHaveNoRuns) {
  RunFor(absl::Hours(1));
  SetSources({"other"});
  RunFor(absl::Hours(3));
  EXPECT_EQ(Begun(), (Texts{"other 01-07 02:00"}));
}

TEST_F(ScheduleTest, TheNearestValueCountsAndSaysWhereItComesFrom) {
  SetSources({"db", "cache"});
  config_.all.zone = "Europe/Berlin";
  config_.groups.push_back({"databases", {"web-1/db"}, {"0 */6 * * *", {}, {}}});
  scheduler_->Reconfigure(config_);
  SourceSchedule db = ScheduleOf("db");
  EXPECT_EQ(db.group, "databases");
  EXPECT_EQ(db.cron.text, "0 */6 * * *");
  EXPECT_EQ(db.cron.place, "group 'databases'");
  EXPECT_EQ(db.zone.text, "Europe/Berlin");
  EXPECT_EQ(db.zone.place, "schedule");
  EXPECT_EQ(ScheduleOf("cache").cron.origin, Origin::kDefault);

  Check(scheduler_->SetForGroup("databases", {{"0 1 * * *", {}, {}}, false, "anna"}));
  EXPECT_EQ(ScheduleOf("db").cron.text, "0 1 * * *");
  EXPECT_EQ(ScheduleOf("db").cron.set_by, "anna");
  Check(scheduler_->SetForSource(Id("db"), {{"0 3 * * *", "UTC", {}}, false, "ben"}));
  Restart();
  db = ScheduleOf("db");
  EXPECT_EQ(db.cron.text, "0 3 * * *");
  EXPECT_EQ(db.cron.origin, Origin::kCommand);
  EXPECT_EQ(db.cron.set_by, "ben");
  EXPECT_EQ(db.cron.set_at_ms, ToMillis(clock_.now));
  EXPECT_EQ(Shown(db.next.at(0)), "01-07 03:00");
  Check(scheduler_->SetForSource(Id("db"), {{}, true, "ben"}));
  EXPECT_EQ(ScheduleOf("db").cron.set_by, "anna");

  EXPECT_EQ(CodeOf(scheduler_->SetForGroup("none", {{"0 1 * * *", {}, {}}, false, ""})), 5093);
  EXPECT_EQ(CodeOf(scheduler_->SetForSource(Id("db"), {{"0 0 31 2 *", {}, {}}, false, ""})), 5090);
  EXPECT_EQ(CodeOf(scheduler_->SetForSource(Id("db"), {{{}, "Nowhere", {}}, false, ""})), 5091);
  EXPECT_EQ(CodeOf(scheduler_->SetForSource(Id("db"), {{{}, {}, "13h"}, false, ""})), 5092);
  EXPECT_EQ(ScheduleOf("db").cron.text, "0 1 * * *") << "what was refused changed something";
}

}  // namespace
}  // namespace holdfast::schedule
