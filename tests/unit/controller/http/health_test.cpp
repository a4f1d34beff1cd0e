// Goal: "healthy" is said only when every source is backed up, young enough and whole; whatever is
// wrong is named.
#include "controller/http/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/controller/http/facts_fixture.h"

namespace holdfast::http {
namespace {

using nlohmann::json;
using test::NightOfTest;
using test::WellFacts;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json Told(const Facts& facts) { return json::parse(HealthJson(facts)); }

TEST(HealthTest, AllWell) {
  Facts facts = WellFacts();
  facts.next_scheduled = "02:00 UTC daily";
  facts.sources[0].plan.next_run = "02:00 UTC daily";
  const json told = Told(facts);
  EXPECT_EQ(told["backup_system"], "healthy");
  EXPECT_EQ(told["last_backup"], "2026-01-07T03:00:00Z");
  EXPECT_EQ(told["next_scheduled"], "02:00 UTC daily");
  EXPECT_THAT(told["reasons"], IsEmpty());
  ASSERT_EQ(told["sources"].size(), 2u);
  const json& first = told["sources"][0];
  EXPECT_EQ(first["name"], "db");
  EXPECT_EQ(first["agent"], "web-1");
  EXPECT_EQ(first["state"], "ok");
  EXPECT_EQ(first["last_backup"], "2026-01-07T02:00:00Z");
  EXPECT_EQ(first["age_seconds"], 12 * 3600);
  EXPECT_EQ(first["objective_seconds"], 24 * 3600);
  EXPECT_EQ(first["next_scheduled"], "02:00 UTC daily");
  EXPECT_EQ(told["sources"][1]["next_scheduled"], nullptr);
}

TEST(HealthTest, BeforeTheFirstBackupNothingIsHealthy) {
  Facts facts = WellFacts();
  facts.sources.resize(1);
  facts.sources[0].newest.reset();
  const json told = Told(facts);
  EXPECT_EQ(told["backup_system"], "degraded");
  EXPECT_EQ(told["last_backup"], nullptr);
  EXPECT_EQ(told["next_scheduled"], nullptr);
  EXPECT_EQ(told["sources"][0]["state"], "never");
  EXPECT_EQ(told["sources"][0]["age_seconds"], nullptr);
  EXPECT_THAT(Judge(facts).reasons,
              ElementsAre("source 'db' of agent 'web-1' has never been backed up"));
}

TEST(HealthTest, NothingToBackUpIsNotHealthy) {
  Facts facts = WellFacts();
  facts.sources.clear();
  EXPECT_THAT(Judge(facts).reasons, ElementsAre("there are no sources yet"));
  facts.has_owner = false;
  EXPECT_THAT(Judge(facts).reasons, ElementsAre("this controller has no owner yet"));
  EXPECT_EQ(Told(facts)["backup_system"], "degraded");
}

TEST(HealthTest, ASourceIsStaleWhenItsObjectiveIsBroken) {
  Facts facts = WellFacts();
  facts.sources = {test::WellSource("db", absl::Hours(24) + absl::Minutes(30))};
  EXPECT_TRUE(Judge(facts).healthy()) << "late is not broken, and not judged here";
  facts.sources[0].plan.is_too_old = true;
  EXPECT_EQ(Told(facts)["sources"][0]["state"], "stale");
  EXPECT_THAT(
      Judge(facts).reasons,
      ElementsAre("the newest restorable point of source 'db' of agent 'web-1' is 24.5 h old, its "
                  "objective is 24.0 h"));
  facts.sources[0].failure = catalog::RunFailure{test::Ms(NightOfTest()), 10, 2114, "text"};
  EXPECT_EQ(Told(facts)["sources"][0]["state"], "failed");
  EXPECT_THAT(Judge(facts).reasons, ElementsAre(HasSubstr("failed"), HasSubstr("24.5 h old")));
}

TEST(HealthTest, SlowRestoresAndSystemsBreakObjectivesToo) {
  Facts facts = WellFacts();
  facts.sources[1].plan.is_restore_too_slow = true;
  facts.broken_systems = {"shop"};
  EXPECT_THAT(Judge(facts).reasons,
              ElementsAre(HasSubstr("a restore of source 'files' of agent 'web-1' takes longer"),
                          "system 'shop' breaks its objective"));
  EXPECT_EQ(Told(facts)["sources"][1]["state"], "ok");
}

TEST(HealthTest, ARefusedReloadAndMessagesThatNobodyGot) {
  Facts facts = WellFacts();
  facts.outbox = Outbox{5, 0};
  EXPECT_TRUE(Judge(facts).healthy()) << "they wait for their time";
  facts.outbox->undelivered = 2;
  facts.was_reload_refused = true;
  EXPECT_THAT(Judge(facts).reasons, ElementsAre(HasSubstr("the changed configuration is not used"),
                                                "2 messages about alerts are not delivered"));
}

TEST(HealthTest, WithoutAnObjectiveItIsNull) {
  Facts facts = WellFacts();
  facts.sources[0].plan = {};
  EXPECT_EQ(Told(facts)["sources"][0]["objective_seconds"], nullptr);
}

TEST(HealthTest, AFailedRunCountsThoughTheLastSnapshotIsYoung) {
  Facts facts = WellFacts();
  facts.sources[0].failure = catalog::RunFailure{test::Ms(NightOfTest()), 10, 2114, "secret text"};
  const json told = Told(facts);
  EXPECT_EQ(told["backup_system"], "degraded");
  EXPECT_EQ(told["sources"][0]["state"], "failed");
  EXPECT_EQ(told["sources"][1]["state"], "ok");
  EXPECT_THAT(Judge(facts).reasons, ElementsAre(HasSubstr("failed (HF-2114)")));
  EXPECT_THAT(told.dump(), ::testing::Not(HasSubstr("secret text")));
}

TEST(HealthTest, LostChunksAFullDiskAndAStoreThatRefusesWrites) {
  Facts facts = WellFacts();
  facts.sources[1].damaged_snapshots = 2;
  facts.free_bytes = (1ull << 30) - 1;
  facts.is_writable = false;
  EXPECT_THAT(Judge(facts).reasons,
              ElementsAre(HasSubstr("refuses writes"), HasSubstr("less than 1 GiB"),
                          HasSubstr("2 snapshots of source 'files'")));
  EXPECT_EQ(Told(facts)["sources"][1]["state"], "damaged");
}

TEST(HealthTest, AnAgentThatIsAwayIsNoReasonYet) {
  Facts facts = WellFacts();
  for (SourceFacts& source : facts.sources) source.is_connected = false;
  EXPECT_TRUE(Judge(facts).healthy());
  EXPECT_EQ(Told(facts)["sources"][0]["connected"], false);
}

TEST(HealthTest, NamesOfAnyBytesAreStillJson) {
  Facts facts = WellFacts();
  facts.sources[0].name = "\xff\"\n";
  facts.sources[0].newest.reset();
  EXPECT_TRUE(json::accept(HealthJson(facts))) << HealthJson(facts);
}

TEST(HealthTest, WithoutFactsTheFormIsTheSame) {
  const json told = json::parse(HealthJsonWithout("the controller is stopping"));
  EXPECT_EQ(told["backup_system"], "degraded");
  EXPECT_EQ(told["last_backup"], nullptr);
  EXPECT_EQ(told["reasons"], json::array({"the controller is stopping"}));
  for (const json well = Told(WellFacts()); const auto& [key, value] : well.items())
    EXPECT_TRUE(told.contains(key)) << key;
}

}  // namespace
}  // namespace holdfast::http
