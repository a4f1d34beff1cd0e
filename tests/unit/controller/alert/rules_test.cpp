// Goal: every rule fires at its limit and not before, grows with what grows, and ends when its
// cause ends; a digest is sent once for each time it is due.
#include "controller/alert/digest.h"
#include "tests/unit/controller/alert/alert_fixture.h"

namespace holdfast::alert {
namespace {

using notify::Severity;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 1, 7, 2), absl::UTCTimeZone());

SourceFacts Source() {
  SourceFacts source;
  source.id = *SourceId::From(Bytes(16, 's'));
  source.label = "db";
  source.watched_since = kNow - absl::Hours(1000);
  source.last_success = kNow - absl::Hours(1);
  source.newest_seq = 7;
  source.newest_bytes = source.previous_bytes = 1ull << 30;
  return source;
}

std::vector<Problem> JudgeOne(const SourceFacts& source) {
  Facts facts;
  facts.free_bytes = 100ull << 30;
  facts.sources = {source};
  return Judge(facts, RuleLimits(), kNow);
}

std::vector<std::string> KindsOf(const std::vector<Problem>& problems) {
  std::vector<std::string> kinds;
  for (const Problem& problem : problems) kinds.emplace_back(problem.kind);
  return kinds;
}

TEST(Rules, AllIsWell) { EXPECT_THAT(JudgeOne(Source()), IsEmpty()); }

TEST(Rules, TheAbsenceOfSuccessIsTheAlarm) {
  SourceFacts source = Source();
  source.last_success = kNow - absl::Hours(25);
  EXPECT_THAT(JudgeOne(source), IsEmpty()) << "exactly 25 h";
  source.last_success -= absl::Seconds(1);
  ASSERT_THAT(KindsOf(JudgeOne(source)), ElementsAre("no-success"));
  EXPECT_EQ(JudgeOne(source)[0].severity, Severity::kCritical);
  source.last_success = absl::InfinitePast();
  EXPECT_THAT(JudgeOne(source)[0].title, HasSubstr("never been backed up"));
  source.watched_since = kNow - absl::Hours(24);
  EXPECT_THAT(JudgeOne(source), IsEmpty()) << "a new source has time for its first backup";
}

TEST(Rules, DamageObjectiveAndPause) {
  SourceFacts source = Source();
  source.damaged_chunks = 3;
  source.damaged_newest_seq = 6;
  source.objective = ObjectiveState::kBroken;
  source.objective_text = "RPO 24 h, newest 30 h";
  source.expiry_pause = "most snapshots would go at once";
  EXPECT_THAT(KindsOf(JudgeOne(source)), ElementsAre("damage", "objective", "expiry-paused"));
  source.failure = "HF-2114";
  EXPECT_THAT(KindsOf(JudgeOne(source)), ElementsAre("failure", "damage", "objective"))
      << "that a failed backup stops expiry is told as the failure";
}

TEST(Rules, StrangeSnapshots) {
  SourceFacts source = Source();
  source.newest_bytes = source.previous_bytes / 2 - 1;
  ASSERT_THAT(KindsOf(JudgeOne(source)), ElementsAre("anomaly"));
  source.newest_bytes = source.previous_bytes / 2;
  EXPECT_THAT(JudgeOne(source), IsEmpty());
  source = Source();
  source.previous_stored_bytes = source.previous_bytes / 100;
  source.newest_stored_bytes = source.newest_bytes / 10 * 6;
  ASSERT_THAT(KindsOf(JudgeOne(source)), ElementsAre("anomaly"));
  EXPECT_THAT(JudgeOne(source)[0].detail, HasSubstr("malware"));
  source.newest_bytes = source.previous_bytes = 1000;
  EXPECT_THAT(JudgeOne(source), IsEmpty()) << "too small to say anything";
}

TEST(Rules, CertificatesGrowGraverFrom30Days) {
  const auto severity_at = [](absl::Duration left) -> int {
    Facts facts;
    facts.free_bytes = 100ull << 30;
    facts.certificates = {{"the controller", kNow + left}};
    const auto problems = Judge(facts, RuleLimits(), kNow);
    return problems.empty() ? -1 : static_cast<int>(problems[0].severity);
  };
  EXPECT_EQ(severity_at(absl::Hours(24 * 31)), -1);
  EXPECT_EQ(severity_at(absl::Hours(24 * 29)), static_cast<int>(Severity::kWarning));
  EXPECT_EQ(severity_at(absl::Hours(24 * 7)), static_cast<int>(Severity::kError));
  EXPECT_EQ(severity_at(absl::Hours(24)), static_cast<int>(Severity::kCritical));
  EXPECT_EQ(severity_at(-absl::Hours(1)), static_cast<int>(Severity::kCritical));
}

TEST(Rules, DiskAndStore) {
  Facts facts;
  facts.free_bytes = (5ull << 30) - 1;
  EXPECT_EQ(Judge(facts, RuleLimits(), kNow).at(0).severity, Severity::kWarning);
  facts.free_bytes = (1ull << 30) - 1;
  EXPECT_EQ(Judge(facts, RuleLimits(), kNow).at(0).severity, Severity::kCritical);
  facts.free_bytes = 5ull << 30;
  facts.store_writable = false;
  EXPECT_THAT(KindsOf(Judge(facts, RuleLimits(), kNow)), ElementsAre("store"));
}

class RulesAtWork : public test::AlertTest {
 protected:
  RulesAtWork() { config_.limits.disk_free_bytes = 0; }
};

TEST_F(RulesAtWork, AnAgentThatFallsSilentAndComesBack) {
  OpenDesk({"ops"});
  connected_ = false;
  Pass(absl::Minutes(15));
  EXPECT_THAT(channel("ops").taken, IsEmpty());
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").Headlines(),
              ElementsAre("[error] agent 'shop-1' is silent since 2026-01-07 02:00 UTC"));
  connected_ = true;
  Pass(absl::Minutes(1));
  EXPECT_EQ(channel("ops").taken.back().action, notify::Action::kResolve);
}

TEST_F(RulesAtWork, AgentsHaveTimeToComeBackToAControllerThatWasDown) {
  OpenDesk({"ops"});
  Succeed(1);
  connected_ = false;
  clock_.Move(absl::Hours(3));
  Restart({"ops"});
  Pass(absl::Minutes(14));
  EXPECT_THAT(channel("ops").taken, IsEmpty());
  Pass(absl::Minutes(2));
  EXPECT_THAT(channel("ops").taken, SizeIs(1));
}

TEST_F(RulesAtWork, WhatGrowsGraverIsToldAgainThoughAcknowledged) {
  certificates_ = {{"the controller", clock_.Now() + absl::Hours(24 * 8)}};
  OpenDesk({"ops"});
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  ASSERT_TRUE(engine().Acknowledge(Open()[0].id, "ana").ok());
  connected_ = true;
  clock_.Move(absl::Hours(24));
  Succeed(1);  // or its absence would be an alert too
  Pass(absl::Hours(2));
  ASSERT_THAT(channel("ops").taken, SizeIs(2));
  EXPECT_EQ(channel("ops").taken[1].severity, Severity::kError);
  EXPECT_EQ(Open()[0].state, catalog::AlertState::kOpen);
}

TEST_F(RulesAtWork, AnAnomalyStaysUntilSomebodyLooked) {
  OpenDesk({"ops"});
  Succeed(1, 1ull << 30);
  Succeed(2, 1ull << 20);
  Pass(absl::Minutes(1));
  ASSERT_THAT(Open(), SizeIs(1));
  EXPECT_EQ(Open()[0].kind, "anomaly");
  Succeed(3, 1ull << 20);
  Pass(absl::Minutes(1));
  ASSERT_THAT(Open(), SizeIs(1)) << "the next snapshot is as small, that explains nothing";
  ASSERT_TRUE(engine().Acknowledge(Open()[0].id, "ana").ok());
  Pass(absl::Minutes(1));
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RulesAtWork, AMissedRunIsOverWithTheNextSuccess) {
  OpenDesk({"ops"});
  engine().Report({EventKind::kRunMissed, db_, "the run of 02:00 UTC was skipped"});
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_THAT(channel("ops").taken[0].title, HasSubstr("did not run"));
  Succeed(1);
  Pass(absl::Minutes(1));
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(RulesAtWork, ObjectivesComeFromElsewhere) {
  complete_ = [](SourceFacts* source) {
    source->objective = ObjectiveState::kBroken;
    source->objective_text = "RPO 4 h, newest 5 h";
  };
  OpenDesk({"ops"});
  Pass(absl::Minutes(1));
  ASSERT_THAT(Open(), SizeIs(1));
  EXPECT_EQ(Open()[0].kind, "objective");
}

TEST_F(RulesAtWork, TheDigestComesOnceADayWithHeads) {
  config_.digest = DigestConfig{7 * 60, absl::UTCTimeZone(), {"mail"}};
  OpenDesk({"ops", "mail"});
  Succeed(1, 5 << 20);
  Pass(absl::Hours(4));
  EXPECT_THAT(channel("mail").taken, IsEmpty()) << "the first is the next one";
  Pass(absl::Hours(2));
  ASSERT_THAT(channel("mail").taken, SizeIs(1));
  EXPECT_THAT(channel("ops").taken, IsEmpty());
  EXPECT_THAT(channel("mail").taken[0].text, HasSubstr("db@1   5.0 MiB"));
  EXPECT_THAT(channel("mail").taken[0].text, HasSubstr(Sha256("snapshot 1").hex()));
  EXPECT_THAT(channel("mail").taken[0].title, HasSubstr("1 of 1 sources"));
  Restart({"ops", "mail"});
  Pass(absl::Hours(1));
  EXPECT_THAT(channel("mail").taken, IsEmpty()) << "today's was sent";
  clock_.Move(absl::Hours(24 * 3));
  Pass(absl::Minutes(1));
  int reports = 0;
  for (const auto& message : channel("mail").taken) {
    reports += message.action == notify::Action::kReport ? 1 : 0;
  }
  EXPECT_EQ(reports, 1) << "of three that were missed, one";
}

TEST(Digest, IsDueByLocalTime) {
  DigestConfig config;
  config.minute = 7 * 60;
  ASSERT_TRUE(absl::LoadTimeZone("Europe/Berlin", &config.zone));
  const auto utc = [](int day, int hour) {
    return absl::FromCivil(absl::CivilHour(2026, 1, day, hour), absl::UTCTimeZone());
  };
  EXPECT_EQ(DigestDue(config, utc(7, 6)), utc(7, 6));
  EXPECT_EQ(DigestDue(config, utc(7, 6) - absl::Seconds(1)), utc(6, 6));
}

}  // namespace
}  // namespace holdfast::alert
