// Goal: a scheduled run that failed for a cause that may pass is tried again after 5, 10 and 20
// minutes, through crashes and clocks that are set, and never beside or after what makes it
// needless. Fault row 105.
#include "controller/schedule/retry.h"

#include "tests/unit/controller/schedule/schedule_fixture.h"

namespace holdfast::schedule {
namespace {

using test::ScheduleTest;
using Outcome = Scheduler::Outcome;

class RetryTest : public ScheduleTest {
 protected:
  using Texts = std::vector<std::string>;
  // The run of 02:00 failed at once.
  void FailTheFirst() {
    RunFor(absl::Hours(2));
    Finish("db", Outcome::kFailed);
  }
};

TEST_F(RetryTest, After5And10And20MinutesAndThenByTheCalendar) {
  RunFor(absl::Hours(2));
  std::set<Bytes> ids;
  for (int i = 0; i < 4; ++i) {
    ids.insert(runs_.begun.back().run_id);
    Finish("db", Outcome::kFailed);
    RunFor(absl::Minutes(30));
    EXPECT_EQ(runs_.active.contains(Id("db")), i < 3) << "retry " << i + 1;
  }
  // Each delay counts from the failure, which came 30 minutes after the one before.
  EXPECT_EQ(Begun(),
            (Texts{"db 01-07 02:00", "db 01-07 02:05", "db 01-07 02:40", "db 01-07 03:20"}));
  EXPECT_EQ(ids.size(), 4u) << "a retry is a run of its own";
  EXPECT_FALSE(ScheduleOf("db").retry.has_value());
  RunFor(absl::Hours(24));
  EXPECT_EQ(Begun().back(), "db 01-08 02:00");
  EXPECT_EQ(runs_.begun.size(), 5u);
  EXPECT_TRUE(observer_.notes.empty());
  // The next time of the calendar has retries of its own.
  Finish("db", Outcome::kFailed);
  EXPECT_EQ(ScheduleOf("db").row.retries, 1u);
}

TEST_F(RetryTest, ItIsShownAmongTheComingRuns) {
  FailTheFirst();
  RunFor(absl::Minutes(2));
  const SourceSchedule shown = ScheduleOf("db");
  EXPECT_EQ(shown.row.retries, 1u);
  ASSERT_TRUE(shown.retry.has_value());
  EXPECT_EQ(Shown(*shown.retry), "01-07 02:05");
  ASSERT_EQ(shown.next.size(), 3u);
  EXPECT_EQ(Shown(shown.next[0]), "01-07 02:05");
  EXPECT_EQ(Shown(shown.next[1]), "01-08 02:00");
  EXPECT_TRUE(ScheduleOf("db", 0).next.empty());
}

TEST_F(RetryTest, ASuccessEndsIt) {
  FailTheFirst();
  RunFor(absl::Minutes(5));
  Finish("db");
  EXPECT_EQ(ScheduleOf("db").row.retries, 0u);
  RunFor(absl::Hours(20));
  EXPECT_EQ(runs_.begun.size(), 2u);
}

TEST_F(RetryTest, WhatDoesNotPassIsNotTriedAgain) {
  RunFor(absl::Hours(2));
  Finish("db", Outcome::kFailedForGood);
  RunFor(absl::Hours(20));
  EXPECT_EQ(runs_.begun.size(), 1u);
  // Nor when a retry finds it so.
  RunFor(absl::Hours(4));
  Finish("db", Outcome::kFailed);
  RunFor(absl::Minutes(5));
  Finish("db", Outcome::kFailedForGood);
  RunFor(absl::Hours(20));
  EXPECT_EQ(runs_.begun.size(), 3u);
}

TEST_F(RetryTest, ExitCodesSayWhatMayPass) {
  for (const std::uint32_t code : {1u, 7u, 8u, 10u, 11u}) EXPECT_TRUE(MayPass(code)) << code;
  for (const std::uint32_t code : {0u, 2u, 3u, 4u, 5u, 6u, 9u, 12u, 13u, 255u}) {
    EXPECT_FALSE(MayPass(code)) << code;
  }
}

TEST_F(RetryTest, ARunByHandIsNotTriedAgainAndASnapshotOfItEndsARetry) {
  RunFor(absl::Hours(1));
  ASSERT_TRUE(runs_.Start(ScheduleOf("db").source, Bytes(16, 'm')).ok());
  Finish("db", Outcome::kFailed);
  RunFor(absl::Minutes(30));
  EXPECT_EQ(runs_.begun.size(), 1u);
  RunFor(absl::Minutes(30));
  Finish("db", Outcome::kFailed);
  // By hand, across the time of the retry: it waits, and goes when that one fails too.
  ASSERT_TRUE(runs_.Start(ScheduleOf("db").source, Bytes(16, 'n')).ok());
  RunFor(absl::Minutes(8));
  EXPECT_EQ(runs_.begun.size(), 3u);
  Finish("db", Outcome::kFailed);
  RunFor(absl::Minutes(1));
  EXPECT_EQ(runs_.begun.size(), 4u);
  Finish("db", Outcome::kFailed);
  ASSERT_TRUE(runs_.Start(ScheduleOf("db").source, Bytes(16, 'o')).ok());
  Finish("db");
  RunFor(absl::Hours(2));
  EXPECT_EQ(runs_.begun.size(), 5u);
  EXPECT_TRUE(observer_.notes.empty()) << "a retry is neither skipped nor missed";
}

TEST_F(RetryTest, ANewerTimeOfTheCalendarTakesItsPlace) {
  Check(scheduler_->SetForSource(Id("db"), {{"*/12 * * * *", {}, {}}, false, "root"}));
  RunFor(absl::Minutes(12));
  Finish("db", Outcome::kFailed);
  RunFor(absl::Minutes(5));
  Finish("db", Outcome::kFailed);  // the next one would be at 00:27
  EXPECT_FALSE(ScheduleOf("db").retry.has_value()) << "the calendar comes first";
  RunFor(absl::Minutes(7));
  Finish("db", Outcome::kFailed);
  RunFor(absl::Minutes(5));
  EXPECT_EQ(Begun(),
            (Texts{"db 01-07 00:12", "db 01-07 00:17", "db 01-07 00:24", "db 01-07 00:29"}));
}

TEST_F(RetryTest, ItSurvivesACrashAndTheTimeThisProgramWasDownCounts) {
  FailTheFirst();
  RunFor(absl::Minutes(3));
  Restart();
  EXPECT_EQ(Shown(ScheduleOf("db").retry.value()), "01-07 02:05");
  RunFor(absl::Minutes(1));
  EXPECT_EQ(runs_.begun.size(), 1u);
  RunFor(absl::Minutes(1));
  ASSERT_EQ(Begun().back(), "db 01-07 02:05");
  // Killed during the retry: it is expected under its id, and its failure plans the second one.
  const Bytes run_id = runs_.begun.back().run_id;
  Restart();
  EXPECT_EQ(runs_.expected, std::vector<Bytes>{run_id});
  Finish("db", Outcome::kFailed);
  EXPECT_EQ(ScheduleOf("db").row.retries, 2u);
  scheduler_.reset();
  clock_.Run(absl::Hours(1));
  StartScheduler();
  RunFor(absl::Minutes(1));
  EXPECT_EQ(Begun().back(), "db 01-07 03:06");
}

TEST_F(RetryTest, AClockThatIsSetMakesItNeitherLateNorDouble) {
  FailTheFirst();
  clock_.now -= absl::Hours(24 * 30);
  RunFor(absl::Minutes(5));
  EXPECT_EQ(runs_.begun.size(), 2u) << "the wait goes by the running clock";
  Finish("db", Outcome::kFailed);
  clock_.now -= absl::Hours(24 * 30);
  Restart();  // at a date from which the retry is 30 days away
  RunFor(absl::Minutes(9));
  EXPECT_EQ(runs_.begun.size(), 2u);
  RunFor(absl::Minutes(1));
  EXPECT_EQ(runs_.begun.size(), 3u);
}

TEST_F(RetryTest, ItWaitsForAnAgentThatIsAwayAndIsTriedAgainWhenItCannotBegin) {
  FailTheFirst();
  runs_.away = true;
  RunFor(absl::Minutes(25));
  EXPECT_EQ(ScheduleOf("db").run.kind, RunState::Kind::kWaiting);
  EXPECT_EQ(observer_.notes, (Texts{"db late"}));
  runs_.Connect();
  RunFor(absl::Minutes(1));
  EXPECT_EQ(runs_.begun.size(), 2u);
  Finish("db", Outcome::kFailed);
  runs_.start_error = Error(ErrorKind::kFailed, 1, "no");
  clock_.Run(absl::Minutes(10));
  EXPECT_FALSE(scheduler_->Tick().ok());
  EXPECT_EQ(ScheduleOf("db").row.retries, 3u);
  EXPECT_EQ(ScheduleOf("db").row.missed, 0u);
  runs_.start_error = absl::OkStatus();
  RunFor(absl::Minutes(20));
  EXPECT_EQ(runs_.begun.size(), 3u);
}

TEST_F(RetryTest, PausingEndsIt) {
  FailTheFirst();
  Check(scheduler_->Pause(Id("db"), "root"));
  RunFor(absl::Minutes(30));
  Check(scheduler_->Resume(Id("db"), "root"));
  RunFor(absl::Minutes(30));
  EXPECT_EQ(runs_.begun.size(), 1u);
  // Paused while it runs.
  RunFor(absl::Hours(23));
  ASSERT_EQ(runs_.begun.size(), 2u);
  Check(scheduler_->Pause(Id("db"), "root"));
  Finish("db", Outcome::kFailed);
  EXPECT_EQ(ScheduleOf("db").row.retry_at_ms, 0u);
}

TEST_F(RetryTest, ARunThatCommittedBeforeTheCrashEndsIt) {
  FailTheFirst();
  RunFor(absl::Minutes(5));
  Commit("db", 1, runs_.begun.back().run_id);
  Restart();
  EXPECT_EQ(ScheduleOf("db").row.retries, 0u);
  RunFor(absl::Hours(20));
  EXPECT_EQ(runs_.begun.size(), 2u);
}

}  // namespace
}  // namespace holdfast::schedule
