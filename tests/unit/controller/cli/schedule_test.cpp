// Goal: schedules and objectives are shown as the controller says, with where each value comes
// from; a broken objective is the first thing to see and an exit code.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

constexpr std::uint64_t kNowMs = 1'767'751'200'000;  // 2026-01-07 02:00 UTC

class ScheduleCommandTest : public CliTest {
 protected:
  ScheduleCommandTest() {
    client_->installation.initialized = true;
    client_->status.installation.initialized = true;
    for (const auto& [name, kind] :
         std::vector<std::pair<std::string, std::string>>{{"db", "postgres"}, {"cache", "redis"}}) {
      SourceSchedule schedule;
      schedule.source = {client_->AddSource(name, kind), name, kind};
      schedule.agent_name = "db-1";
      schedule.cron = {"0 2 * * *", "default", "", "", 0};
      schedule.zone = {"UTC", "file", "schedule", "", 0};
      schedule.jitter = {"2m", "default", "", "", 0};
      schedule.next_ms = {kNowMs + 86'400'000, kNowMs + 2 * 86'400'000, kNowMs + 3 * 86'400'000};
      client_->schedules.push_back(schedule);
      SourceObjective objective;
      objective.source = schedule.source;
      objective.standing.rpo = {"24h", "default", "", "", 0};
      objective.standing.rto = {"4h", "default", "", "", 0};
      objective.standing.state = "met";
      objective.standing.age_seconds = 3600;
      objective.standing.point_ms = kNowMs - 3'600'000;
      objective.standing.restore_seconds = 190;
      client_->objectives.sources.push_back(objective);
    }
    client_->AddSummary("db", 1, kNowMs - 3'600'000);
    client_->AddSummary("cache", 1, kNowMs - 3'600'000);
  }
  void ShowInStatus() {
    for (std::size_t i = 0; i < 2; ++i) {
      client_->status.sources[i].schedule = client_->schedules[i];
      client_->status.sources[i].objective = client_->objectives.sources[i];
    }
  }
};

TEST_F(ScheduleCommandTest, ListSaysWhenWhyAndWhatWentWrong) {
  client_->schedules[0].cron = {"0 */4 * * *", "command", "source", "anna", kNowMs};
  client_->schedules[0].skipped = 2;
  client_->schedules[0].missed = 1;
  client_->schedules[1].paused_at_ms = kNowMs;
  client_->schedules[1].paused_by = "ben\x1b";
  ASSERT_EQ(Run({"schedule", "list"}), 0) << err();
  EXPECT_NE(out().find("command: anna, 2026-01-07 02:00 UTC"), std::string::npos) << out();
  EXPECT_NE(out().find("1 missed, 2 skipped"), std::string::npos);
  EXPECT_NE(out().find("2026-01-08 02:00 UTC"), std::string::npos);
  EXPECT_NE(out().find("paused by ben\\x1b"), std::string::npos);
  ASSERT_EQ(Run({"schedule", "list", "cache", "--json"}), 0);
  const Json one = OutJson()["schedules"][0];
  EXPECT_EQ(OutJson()["schedules"].size(), 1u);
  EXPECT_EQ(one["source"], "cache");
  EXPECT_EQ(one["zone"]["origin"], "file");
  EXPECT_EQ(one["zone"]["place"], "schedule");
  EXPECT_EQ(one["paused"], true);
  EXPECT_EQ(one["next"][0], "2026-01-08T02:00:00.000Z");
  EXPECT_EQ(Run({"schedule", "list", "nothing"}), 6);
}

TEST_F(ScheduleCommandTest, ARetryIsShownWithItsNumber) {
  SourceSchedule& db = client_->schedules[0];
  db.retries = 2;
  db.most_retries = 3;
  db.retry_ms = kNowMs + 600'000;
  db.next_ms.insert(db.next_ms.begin(), db.retry_ms);
  ASSERT_EQ(Run({"schedule", "list", "db"}), 0) << err();
  EXPECT_NE(out().find("2026-01-07 02:10 UTC (retry 2 of 3)"), std::string::npos) << out();
  ASSERT_EQ(Run({"schedule", "next", "db"}), 0) << err();
  EXPECT_NE(out().find("retry 2 of 3"), std::string::npos) << out();
  ASSERT_EQ(Run({"schedule", "next", "db", "--json"}), 0);
  EXPECT_EQ(OutJson()["runs"][0]["retry"], 2);
  EXPECT_EQ(OutJson()["runs"][1]["retry"], 0);
  ASSERT_EQ(Run({"schedule", "list", "db", "--json"}), 0);
  EXPECT_EQ(OutJson()["schedules"][0]["retry_at"], "2026-01-07T02:10:00.000Z");
  EXPECT_EQ(OutJson()["schedules"][0]["retries"], 2);
  db.retry_ms = 0;
  db.running_since_ms = kNowMs;
  ASSERT_EQ(Run({"schedule", "list", "db"}), 0);
  EXPECT_NE(out().find("(retry 2 of 3)"), std::string::npos) << out();
}

TEST_F(ScheduleCommandTest, NextIsInTheOrderOfTime) {
  client_->schedules[1].next_ms = {kNowMs + 3'600'000};
  client_->schedules[1].zone.text = "Europe/Berlin";
  ASSERT_EQ(Run({"schedule", "next", "--count", "3"}), 0) << err();
  EXPECT_LT(out().find("cache"), out().find("db")) << out();
  EXPECT_NE(out().find("2026-01-07 04:00 CET"), std::string::npos) << out();
  EXPECT_EQ(client_->schedule_queries.back().runs_ahead, 3u);
  ASSERT_EQ(Run({"schedule", "next", "db", "--json"}), 0);
  EXPECT_EQ(OutJson()["runs"].size(), 3u);
  EXPECT_EQ(OutJson()["runs"][0]["at"], "2026-01-08T02:00:00.000Z");
  EXPECT_EQ(Run({"schedule", "next", "--count", "0"}), 2);
}

TEST_F(ScheduleCommandTest, SetSendsWhatWasGivenAndShowsTheNextRuns) {
  variables_["SUDO_USER"] = "anna";
  ASSERT_EQ(Run({"schedule", "set", "db", "--cron", "0 */4 * * *", "--zone", "Europe/Berlin"}), 0)
      << err();
  ASSERT_EQ(client_->schedule_changes.size(), 1u);
  const ScheduleChange& change = client_->schedule_changes[0];
  EXPECT_EQ(change.source, client_->schedules[0].source.id);
  EXPECT_EQ(change.cron, "0 */4 * * *");
  EXPECT_EQ(change.zone, "Europe/Berlin");
  EXPECT_EQ(change.jitter, "");
  EXPECT_EQ(change.by, "anna");
  EXPECT_NE(out().find("2026-01-10 02:00 UTC"), std::string::npos) << out();
  EXPECT_EQ(out().find("cache"), std::string::npos);
  ASSERT_EQ(Run({"schedule", "set", "--group", "databases", "--default", "--json"}), 0) << err();
  EXPECT_EQ(client_->schedule_changes[1].group, "databases");
  EXPECT_TRUE(client_->schedule_changes[1].use_default);
  EXPECT_EQ(Run({"schedule", "set", "db"}), 2);
  EXPECT_EQ(Run({"schedule", "set", "--cron", "@daily"}), 2);
  EXPECT_EQ(Run({"schedule", "set", "db", "--cron", "@daily", "--default"}), 2);
  EXPECT_EQ(Run({"schedule", "set", "db", "--group", "a", "--cron", "@daily"}), 2);
  EXPECT_EQ(client_->schedule_changes.size(), 2u);
  client_->schedule_error = Error(ErrorKind::kUsage, 5090, "unable to read the schedule");
  EXPECT_EQ(Run({"schedule", "set", "db", "--cron", "0 0 31 2 *"}), 2);
}

TEST_F(ScheduleCommandTest, PauseAndResumeNameTheirSources) {
  ASSERT_EQ(Run({"schedule", "pause", "db"}), 0) << err();
  ASSERT_EQ(client_->pauses.size(), 1u);
  EXPECT_EQ(client_->pauses[0].first.size(), 1u);
  EXPECT_EQ(client_->pauses[0].second, OperatorClient::PauseVerb::kPause);
  ASSERT_EQ(Run({"schedule", "resume", "--all", "--json"}), 0) << err();
  EXPECT_EQ(client_->pauses[1].first.size(), 2u);
  EXPECT_EQ(client_->pauses[1].second, OperatorClient::PauseVerb::kResume);
  EXPECT_EQ(Run({"schedule", "pause"}), 2);
  EXPECT_EQ(Run({"schedule", "pause", "db", "--all"}), 2);
  EXPECT_EQ(Run({"schedule", "pause", "nothing"}), 6);
  EXPECT_EQ(client_->pauses.size(), 2u);
}

TEST_F(ScheduleCommandTest, ObjectivesAreShownAndABrokenOneIsExit9) {
  ASSERT_EQ(Run({"objective", "list"}), 0) << err();
  EXPECT_NE(out().find("24h ok"), std::string::npos) << out();
  EXPECT_NE(out().find("about 3m10s of 4h"), std::string::npos) << out();
  client_->objectives.sources[1].standing.point_ms = 0;
  ASSERT_EQ(Run({"objective", "list"}), 0);
  EXPECT_NE(out().find("24h none yet"), std::string::npos) << out();
  SystemObjective shop;
  shop.name = "shop";
  shop.unknown = {"gone"};
  shop.standing = client_->objectives.sources[0].standing;
  shop.standing.state = "broken";
  shop.standing.broken = true;
  client_->objectives.systems.push_back(shop);
  EXPECT_EQ(Run({"objective", "list"}), 9);
  EXPECT_NE(out().find("24h BROKEN"), std::string::npos) << out();
  EXPECT_NE(err().find("'gone'"), std::string::npos);
  EXPECT_EQ(Run({"objective", "list", "--json"}), 9);
  EXPECT_EQ(OutJson()["broken"], true);
  EXPECT_EQ(OutJson()["systems"][0]["state"], "broken");
  EXPECT_EQ(OutJson()["sources"][0]["broken"], false);
  EXPECT_EQ(OutJson()["sources"][0]["rpo"]["value"], "24h");

  ASSERT_EQ(Run({"objective", "set", "db", "--rpo", "4h"}), 0) << err();
  EXPECT_EQ(client_->objective_changes.at(0).rpo, "4h");
  EXPECT_EQ(client_->objective_changes.at(0).source, client_->schedules[0].source.id);
  ASSERT_EQ(Run({"objective", "set", "--system", "shop", "--default"}), 0);
  EXPECT_EQ(client_->objective_changes.at(1).system, "shop");
  EXPECT_EQ(Run({"objective", "set", "db"}), 2);
  EXPECT_EQ(Run({"objective", "set", "--rpo", "1h"}), 2);
  EXPECT_EQ(Run({"objective", "set", "nothing", "--rpo", "1h"}), 6);
}

TEST_F(ScheduleCommandTest, StatusBeginsWithWhatIsBroken) {
  ShowInStatus();
  ASSERT_EQ(Run({"status"}), 0) << err();
  EXPECT_EQ(out().find("BROKEN"), std::string::npos) << out();
  EXPECT_NE(out().find("24h ok"), std::string::npos) << out();
  EXPECT_NE(out().find("2026-01-08 02:00 UTC"), std::string::npos) << out();
  client_->objectives.sources[0].standing.state = "broken";
  client_->objectives.sources[0].standing.broken = true;
  client_->objectives.sources[0].standing.age_seconds = 100'000;
  client_->schedules[1].waiting = true;
  ShowInStatus();
  client_->status.sources[0].failures_in_row = 3;
  client_->status.sources[0].last_error = "no";
  client_->status.sources[0].last_error_at_ms = kNowMs;
  EXPECT_EQ(Run({"status"}), 9);
  EXPECT_EQ(out().rfind("OBJECTIVES BROKEN: db\n", 0), 0u) << out();
  EXPECT_NE(out().find("source 'db' breaks its objective: nothing newer than 27h46m"),
            std::string::npos)
      << out();
  EXPECT_NE(out().find("(3 times in a row)"), std::string::npos) << out();
  EXPECT_NE(out().find("waits for its agent"), std::string::npos) << out();
  EXPECT_EQ(Run({"status", "--json"}), 9);
  EXPECT_EQ(OutJson()["objectives_broken"][0], "db");
  EXPECT_EQ(OutJson()["sources"][0]["objective"]["state"], "broken");
  EXPECT_EQ(OutJson()["sources"][1]["schedule"]["waiting"], true);
}

TEST_F(ScheduleCommandTest, ConfigCheckWantsAFile) {
  EXPECT_EQ(Run({"config", "check"}), 2);
  EXPECT_EQ(Run({"config", "check", directory_ / "absent"}), 2);
  EXPECT_EQ(Run({"config", "check", "x", "--as", "database"}), 2);
}

}  // namespace
}  // namespace holdfast::cli
