// Goal: the facts are what catalog and store say, and what the other parts say where they know.
#include "controller/http/gather.h"

#include <gtest/gtest.h>

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::http {
namespace {

using catalog::Chunk;
using catalog::Chunks;
using catalog::IdOf;

class GatherTest : public catalog::CatalogTest {
 protected:
  GatherTest() {
    std::vector<store::RecoveredPack> recovered;
    auto opened = store::Store::Open(RealEnv(), directory_ / "data", &recovered, 0);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  GatherOptions Options() {
    GatherOptions options{RealEnv(), catalog_.get(), store_.get(), path()};
    options.views.is_connected = [](const AgentId& agent) { return agent == IdOf<AgentId>(1); };
    return options;
  }
  Facts Gathered() {
    auto facts = Gather(Options());
    EXPECT_TRUE(facts.ok()) << facts.status();
    return facts.ok() ? *std::move(facts) : Facts();
  }

  std::unique_ptr<store::Store> store_;
};

TEST_F(GatherTest, AnEmptyInstallation) {
  const Facts facts = Gathered();
  EXPECT_FALSE(facts.has_owner);
  EXPECT_TRUE(facts.is_writable);
  EXPECT_TRUE(facts.sources.empty());
  EXPECT_TRUE(facts.agents.empty());
  EXPECT_GT(facts.free_bytes, 0u);
  EXPECT_GT(facts.catalog_bytes, 0u);
  EXPECT_EQ(facts.scrubbed_at, absl::InfinitePast());
  EXPECT_FALSE(facts.outbox);
  EXPECT_FALSE(facts.was_reload_refused);
  EXPECT_EQ(facts.next_scheduled, "");
}

TEST_F(GatherTest, SourcesWithTheirSnapshotsFailuresAndDamage) {
  AddAgent(1);
  AddAgent(2);
  AddPack(1, Chunks(0, 4));
  catalog::SnapshotCommit commit = FullCommit(1, 1, Chunks(0, 2));
  commit.content_bytes = 100;
  ExpectCommitted(commit);
  commit = FullCommit(1, 2, Chunks(0, 4));
  commit.content_bytes = 150;
  ExpectCommitted(commit);
  ASSERT_TRUE(catalog_->RecordFailure(IdOf<SourceId>(2), {5, 10, 2114, "text"}).ok());
  ASSERT_TRUE(catalog_->MarkBad(IdOf<DomainId>(1), Chunk(3)).ok());
  const Facts facts = Gathered();
  ASSERT_EQ(facts.sources.size(), 2u);
  const SourceFacts& first = facts.sources[0];
  EXPECT_EQ(first.name, "source1");
  EXPECT_EQ(first.agent, "agent1");
  EXPECT_TRUE(first.is_connected);
  EXPECT_EQ(first.snapshot_count, 2u);
  EXPECT_EQ(first.logical_bytes, 250u);
  ASSERT_TRUE(first.newest);
  EXPECT_EQ(first.newest->seq, 2u);
  EXPECT_EQ(first.last_success(), absl::FromUnixMillis(77));
  EXPECT_EQ(first.damaged_snapshots, 1u) << "only the newest needs the chunk";
  EXPECT_FALSE(first.failure);
  EXPECT_FALSE(first.plan.recovery_point) << "nobody knows";
  EXPECT_FALSE(first.plan.is_too_old);
  const SourceFacts& second = facts.sources[1];
  EXPECT_FALSE(second.is_connected);
  EXPECT_FALSE(second.newest);
  EXPECT_EQ(second.last_success(), absl::InfinitePast());
  ASSERT_TRUE(second.failure);
  EXPECT_EQ(second.failure->error_code, 2114u);
  EXPECT_EQ(facts.totals.chunk_count, 3u) << "the lost one does not count";
  ASSERT_EQ(facts.agents.size(), 2u);
  EXPECT_TRUE(facts.agents[0].is_connected);
  EXPECT_EQ(facts.agents[0].last_seen, absl::InfinitePast());
}

TEST_F(GatherTest, TheSourcesOfARemovedAgentAreNobodysConcern) {
  AddAgent(1);
  AddAgent(2);
  ASSERT_TRUE(catalog_->RemoveAgent("agent1").ok());
  const Facts facts = Gathered();
  ASSERT_EQ(facts.sources.size(), 1u);
  EXPECT_EQ(facts.sources[0].name, "source2");
  EXPECT_EQ(facts.agents.size(), 1u);
}

TEST_F(GatherTest, WhatOtherPartsKnow) {
  AddAgent(1);
  AddAgent(2);
  GatherOptions options = Options();
  options.views.unfinished_jobs = [] { return 3; };
  options.views.outbox = [] { return Outbox{4, 1}; };
  options.views.was_reload_refused = [] { return true; };
  int asked = 0;
  options.views.plans = [&asked] {
    ++asked;
    Plans plans;
    plans.next_scheduled = "02:00 UTC daily";
    plans.broken_systems = {"shop"};
    plans.sources[IdOf<SourceId>(1)] = {"hourly", absl::Hours(4), absl::Hours(5), true, true};
    return plans;
  };
  options.scrubbed_at = [] { return absl::FromUnixSeconds(9); };
  const Facts facts = Gather(options).value();
  EXPECT_EQ(facts.unfinished_jobs, 3u);
  ASSERT_TRUE(facts.outbox);
  EXPECT_EQ(facts.outbox->depth, 4u);
  EXPECT_EQ(facts.outbox->undelivered, 1u);
  EXPECT_TRUE(facts.was_reload_refused);
  EXPECT_EQ(facts.next_scheduled, "02:00 UTC daily");
  EXPECT_EQ(facts.broken_systems, std::vector<std::string>{"shop"});
  ASSERT_EQ(facts.sources.size(), 2u);
  EXPECT_EQ(facts.sources[0].plan.next_run, "hourly");
  EXPECT_EQ(facts.sources[0].plan.recovery_point, absl::Hours(4));
  EXPECT_TRUE(facts.sources[0].plan.is_too_old);
  EXPECT_TRUE(facts.sources[0].plan.is_restore_too_slow);
  EXPECT_EQ(facts.sources[1].plan.next_run, "");
  EXPECT_FALSE(facts.sources[1].plan.is_too_old);
  EXPECT_EQ(asked, 1) << "once for all sources";
  EXPECT_EQ(facts.scrubbed_at, absl::FromUnixSeconds(9));
}

TEST_F(GatherTest, PartsThatCannotTellAreAnError) {
  GatherOptions options = Options();
  options.views.plans = [] { return absl::UnavailableError("the catalog does not answer"); };
  EXPECT_FALSE(Gather(options).ok());
  GatherOptions other = Options();
  other.views.outbox = [] { return absl::UnavailableError("the catalog does not answer"); };
  EXPECT_FALSE(Gather(other).ok());
}

}  // namespace
}  // namespace holdfast::http
