// Goal: an objective counts only what can be restored, says where its values come from, and takes
// an assumption for no proof. Fault rows 88, 92.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "controller/objective/objectives.h"
#include "controller/objective/source_facts.h"
#include "controller/schedule/times.h"
#include "tests/unit/controller/schedule/schedule_fixture.h"

namespace holdfast::objective {
namespace {

using schedule::Origin;
using schedule::ToMillis;

TEST(JudgementTest, LateIsNotBroken) {
  const absl::Duration day = absl::Hours(24);
  EXPECT_EQ(JudgeAge(day, day), State::kMet);
  EXPECT_EQ(JudgeAge(day + absl::Seconds(1), day), State::kLate);
  EXPECT_EQ(JudgeAge(absl::Hours(25), day), State::kLate);
  EXPECT_EQ(JudgeAge(absl::Hours(25) + absl::Seconds(1), day), State::kBroken);
  EXPECT_EQ(JudgeAge(absl::Minutes(62), absl::Hours(1)), State::kLate);
  EXPECT_EQ(JudgeAge(absl::Minutes(63), absl::Hours(1)), State::kBroken);
}

TEST(JudgementTest, AMeasureIsScaledAndATinyOneIsNoMeasure) {
  catalog::RestoreMeasure measure;
  measure.bytes = 1 << 30;
  measure.duration_ms = 10'000;
  RestoreEstimate estimate = EstimateRestore(4ull << 30, measure);
  EXPECT_TRUE(estimate.measured);
  EXPECT_EQ(estimate.time, absl::Seconds(40));
  EXPECT_EQ(EstimateRestore(1 << 20, measure).time, absl::Seconds(10))
      << "less data does not make what was measured shorter";
  measure.bytes = 1000;
  measure.duration_ms = 500;
  estimate = EstimateRestore(4ull << 30, measure);
  EXPECT_FALSE(estimate.measured);
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate.time), 60 + 4096.0 / 20, 0.01);
  EXPECT_TRUE(EstimateRestore(5000, measure).measured);
}

class ObjectiveTest : public schedule::test::ScheduleTest {
 protected:
  ObjectiveTest() : objectives_({clock_, rng_, RealFileSystem()}, *catalog_, ObjectiveConfig()) {
    Tick();  // the source is seen
  }
  Standing StandingOf(const std::string& name) {
    const auto report = objectives_.Judge();
    EXPECT_TRUE(report.ok()) << report.status();
    for (const SourceStanding& one : report->sources) {
      if (one.source.name == name) return one.standing;
    }
    ADD_FAILURE() << "no objective of " << name;
    return {};
  }
  // A snapshot with a chunk of its own, so that it can be damaged.
  ChunkId CommitWithChunk(std::uint64_t seq) {
    const DomainId domain = *catalog_->GetAgent(agent_.id).value().domain;
    const ChunkId chunk = rng_.DrawFixed<ChunkId>();
    const std::int64_t pack = catalog_->AddOpenPack(domain, seq).value();
    Check(catalog_->AddChunks(pack, {{chunk, 8, 100, 0}}, {}));
    Check(catalog_->FinishPack(pack, rng_.DrawFixed<PackName>(), 200));
    catalog::SnapshotCommit commit;
    commit.source = Id("db");
    commit.seq = seq;
    commit.run_id = rng_.Draw(16);
    commit.snapshot_id = Sha256(std::to_string(seq));
    commit.taken_at_ms = ToMillis(clock_.now - absl::Minutes(1));
    commit.content_bytes = 2ull << 30;
    commit.added = std::vector<ChunkId>{chunk};
    const auto result = catalog_->CommitSnapshot(commit, ToMillis(clock_.now));
    EXPECT_TRUE(result.ok() && result->missing.empty()) << result.status();
    return chunk;
  }
  Objectives objectives_;
};

TEST_F(ObjectiveTest, DefaultsAreThoseOfTheKind) {
  const Standing db = StandingOf("db");
  EXPECT_EQ(db.rpo.text, "24h");
  EXPECT_EQ(db.rto.text, "4h");
  EXPECT_EQ(db.rpo.origin, Origin::kDefault);
  EXPECT_EQ(std::string(DefaultTargetsOf("redis").rpo), "1h");
  EXPECT_EQ(std::string(DefaultTargetsOf("redis").rto), "30m");
  EXPECT_EQ(std::string(DefaultTargetsOf("files").rto), "2h");
}

// Fault row 92: nothing happens at all.
TEST_F(ObjectiveTest, ASourceThatIsNeverBackedUpBreaksItsObjective) {
  EXPECT_EQ(StandingOf("db").state, State::kMet) << "it has just been seen";
  clock_.Run(absl::Hours(24.5));
  EXPECT_EQ(StandingOf("db").state, State::kLate);
  clock_.Run(absl::Hours(1));
  const Standing broken = StandingOf("db");
  EXPECT_EQ(broken.state, State::kBroken);
  EXPECT_TRUE(broken.broken());
  EXPECT_FALSE(broken.point.has_value());
}

TEST_F(ObjectiveTest, TheAgeIsThatOfTheNewestPointThatCanBeRestored) {
  CommitWithChunk(1);
  clock_.Run(absl::Hours(20));
  const ChunkId second = CommitWithChunk(2);
  clock_.Run(absl::Hours(6));
  Standing standing = StandingOf("db");
  EXPECT_EQ(standing.age, absl::Hours(6) + absl::Minutes(1));
  EXPECT_EQ(standing.state, State::kMet);
  // A damaged one is none.
  Check(catalog_->MarkBad(*catalog_->GetAgent(agent_.id).value().domain, second));
  standing = StandingOf("db");
  EXPECT_EQ(standing.age, absl::Hours(26) + absl::Minutes(1));
  EXPECT_EQ(standing.state, State::kBroken);
  EXPECT_EQ(objectives_.Judge()->sources.at(0).seq, 1u);
  // Nor is one in the trash.
  CommitWithChunk(3);
  EXPECT_EQ(StandingOf("db").state, State::kMet);
  Check(catalog_->collection().Forget(Id("db"), {1}, ToMillis(clock_.now)));
  EXPECT_EQ(objectives_.Judge()->sources.at(0).seq, 3u);
}

TEST_F(ObjectiveTest, AnAgentsClockDoesNotMakeAPointYounger) {
  catalog::SnapshotCommit commit;
  commit.source = Id("db");
  commit.seq = 1;
  commit.run_id = rng_.Draw(16);
  commit.taken_at_ms = ToMillis(clock_.now + absl::Hours(24 * 365));
  ASSERT_TRUE(catalog_->CommitSnapshot(commit, ToMillis(clock_.now)).ok());
  clock_.Run(absl::Hours(30));
  EXPECT_EQ(StandingOf("db").age, absl::Hours(30));
}

TEST_F(ObjectiveTest, OnlyAMeasuredRestoreBreaksAnRto) {
  CommitWithChunk(1);
  Check(objectives_.SetForSource(Id("db"), {{{}, "1m"}, false, "root"}));
  Standing standing = StandingOf("db");
  EXPECT_FALSE(standing.restore.measured);
  EXPECT_TRUE(standing.restore_too_slow);
  EXPECT_FALSE(standing.broken());
  Check(objectives_.NoteRestore(Id("db"), 1ull << 30, absl::Seconds(90)));
  standing = StandingOf("db");
  EXPECT_TRUE(standing.restore.measured);
  EXPECT_EQ(standing.restore.time, absl::Seconds(180));
  EXPECT_TRUE(standing.broken());
  // One table says less than what is known; a full one replaces it.
  Check(objectives_.NoteRestore(Id("db"), 1000, absl::Seconds(1)));
  EXPECT_EQ(StandingOf("db").restore.time, absl::Seconds(180));
  Check(objectives_.NoteRestore(Id("db"), 2ull << 30, absl::Seconds(50)));
  EXPECT_FALSE(StandingOf("db").broken());
}

TEST_F(ObjectiveTest, ASystemIsAsOldAsItsOldestSource) {
  SetSources({"db", "uploads"});
  Tick();
  ObjectiveConfig config;
  config.systems.push_back({"shop", {"db", "web-1/uploads", "gone"}, {"10h", {}}});
  config.kinds["postgres"] = {"12h", {}};
  objectives_.Reconfigure(config);
  Commit("db", 1, rng_.Draw(16));
  clock_.Run(absl::Hours(6));
  Commit("uploads", 1, rng_.Draw(16));
  clock_.Run(absl::Hours(5));
  const Report report = objectives_.Judge().value();
  ASSERT_EQ(report.systems.size(), 1u);
  const SystemStanding& shop = report.systems[0];
  EXPECT_EQ(shop.standing.age, absl::Hours(11));
  EXPECT_EQ(shop.standing.state, State::kBroken);
  EXPECT_EQ(shop.standing.rpo.place, "system 'shop'");
  EXPECT_EQ(shop.standing.rto.text, "4h");
  EXPECT_EQ(shop.unknown, std::vector<std::string>{"gone"});
  EXPECT_EQ(shop.standing.restore.time,
            report.sources[0].standing.restore.time + report.sources[1].standing.restore.time);
  EXPECT_EQ(StandingOf("db").rpo.text, "12h");
  EXPECT_EQ(StandingOf("db").rpo.origin, Origin::kFile);

  Check(objectives_.SetForSystem("shop", {{"1d", "2h"}, false, "anna"}));
  EXPECT_EQ(objectives_.Judge()->systems[0].standing.state, State::kMet);
  EXPECT_EQ(objectives_.Judge()->systems[0].standing.rpo.set_by, "anna");
  Check(objectives_.SetForSystem("shop", {{}, true, "anna"}));
  EXPECT_EQ(objectives_.Judge()->systems[0].standing.rpo.text, "10h");
  EXPECT_EQ(CodeOf(objectives_.SetForSystem("none", {{"1d", {}}, false, ""})), 5095);
  for (const char* text : {"", "0", "59s", "367d", "soon", "-1h"}) {
    EXPECT_EQ(CodeOf(objectives_.SetForSource(Id("db"), {{text, {}}, false, ""})), 5094) << text;
  }
}

TEST_F(ObjectiveTest, FactsAreThoseOfTheMoment) {
  Commit("db", 1, rng_.Draw(16));
  const absl::Time committed = clock_.now;
  RunFor(absl::Hours(24 * 2));  // a run that does not end: one time is skipped
  Check(catalog_->RecordFailure(Id("db"), {ToMillis(clock_.now), 10, 2001, "no"}));
  Check(catalog_->RecordFailure(Id("db"), {ToMillis(clock_.now), 10, 2001, "no"}));
  const auto facts = GatherFacts(*catalog_, runs_, objectives_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  ASSERT_EQ(facts->size(), 1u);
  const SourceFacts& db = facts->front();
  EXPECT_EQ(db.last_success, committed);
  EXPECT_EQ(db.failures_in_row, 2u);
  EXPECT_EQ(db.skipped_in_row, 1u);
  ASSERT_TRUE(db.running_since.has_value());
  EXPECT_EQ(Shown(*db.running_since), "01-07 02:00");
  EXPECT_EQ(db.standing.state, State::kBroken);
  EXPECT_FALSE(db.paused);
  Check(catalog_->ClearFailure(Id("db")));
  Check(catalog_->RecordFailure(Id("db"), {ToMillis(clock_.now), 10, 2001, "no"}));
  EXPECT_EQ(GatherFacts(*catalog_, runs_, objectives_)->front().failures_in_row, 1u);
}

}  // namespace
}  // namespace holdfast::objective
