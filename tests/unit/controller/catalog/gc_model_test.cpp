// Goal: no interleaving of backups, forgetting, collection and crashes loses a chunk that a kept or
// trashed snapshot references, breaks a promise made to an open session, or leaks; and each safety
// rule is needed.
// Method: random schedules over the real catalog with every invariant checked after each step; then
// the same with one rule left out, which must be noticed.
//
// HOLDFAST_GC_SEED=n runs that schedule alone; HOLDFAST_GC_SCHEDULES=n runs so many.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "tests/unit/controller/catalog/gc_world.h"

namespace holdfast::catalog {
namespace {

// In shards, so that all cores have some.
constexpr std::uint64_t kShards = 4;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSchedules = 2'000;
#else
constexpr std::uint64_t kSchedules = 100'000;
#endif
constexpr std::uint64_t kSchedulesPerMutant = 20'000;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  std::uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

class GcModelShard : public testing::TestWithParam<std::uint64_t> {};

TEST_P(GcModelShard, NoScheduleLosesLeaksOrBreaksAPromise) {
  World world({});
  const std::uint64_t only = FromEnvironment("HOLDFAST_GC_SEED", 0);
  if (only != 0) {
    EXPECT_EQ(world.Run(only), "");
    return;
  }
  const std::uint64_t schedules = FromEnvironment("HOLDFAST_GC_SCHEDULES", kSchedules) / kShards;
  const std::uint64_t first = GetParam() * schedules + 1;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    ASSERT_EQ(world.Run(seed), "") << "replay with HOLDFAST_GC_SEED=" << seed;
  }
  RecordProperty("commits", static_cast<int>(world.commits));
  RecordProperty("sweeps", static_cast<int>(world.sweeps));
  // Else the schedules would prove nothing.
  EXPECT_GT(world.commits, schedules);
  EXPECT_GT(world.sweeps, schedules / 2);
  EXPECT_GT(world.purges, schedules / 8);
  EXPECT_GT(world.repacks, schedules / 8);
  EXPECT_GT(world.crashes, schedules / 4);
  EXPECT_GT(world.refused, schedules / 4);
}
INSTANTIATE_TEST_SUITE_P(Shards, GcModelShard, testing::Range(std::uint64_t{0}, kShards));

TEST(GcModel, LongSchedules) {
  WorldOptions options;
  options.steps = 1000;
  World world(options);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    ASSERT_EQ(world.Run(seed), "") << "long schedule " << seed;
  }
}

struct Mutant {
  const char* name;
  const char* finding;  // "": whatever is noticed first
  void (*apply)(WorldOptions*);
};

class GcMutant : public testing::TestWithParam<Mutant> {};

TEST_P(GcMutant, IsNoticed) {
  WorldOptions options;
  options.steps = 40;
  GetParam().apply(&options);
  World world(options);
  for (std::uint64_t seed = 1; seed <= kSchedulesPerMutant; ++seed) {
    const std::string what = world.Run(seed);
    if (what.empty()) continue;
    EXPECT_NE(what.find(GetParam().finding), std::string::npos) << what << ", schedule " << seed;
    RecordProperty("schedules", static_cast<int>(seed));
    RecordProperty("what", what);
    return;
  }
  FAIL() << "the rule can be left out without anybody noticing";
}

// A commit's and a sweep's second look make each other's absence harmless: left out together.
INSTANTIATE_TEST_SUITE_P(
    Rules, GcMutant,
    testing::Values(Mutant{"CommitWithoutPresenceCheck", "LOST",
                           [](WorldOptions* o) { o->switches.commit_checks_presence = false; }},
                    Mutant{"NeitherCommitNorSweepLooksAgain", "LOST",
                           [](WorldOptions* o) {
                             o->switches.commit_clears_trash = false;
                             o->switches.sweep_rechecks_spans = false;
                           }},
                    Mutant{"RollbackLeavesSpansClosed", "",
                           [](WorldOptions* o) { o->switches.rollback_reopens = false; }},
                    Mutant{"RollbackForgetsCandidates", "LEAK",
                           [](WorldOptions* o) { o->switches.rollback_keeps_candidates = false; }},
                    Mutant{"UploadsAreNoCandidates", "LEAK",
                           [](WorldOptions* o) { o->switches.uploads_are_candidates = false; }},
                    Mutant{"TrashProtectsNothing", "MISMATCH",
                           [](WorldOptions* o) { o->switches.trash_keeps_references = false; }},
                    Mutant{"PurgeBesideCommits", "",
                           [](WorldOptions* o) { o->switches.purge_waits_for_commits = false; }},
                    Mutant{"PurgeLeavesGaps", "LEAK",
                           [](WorldOptions* o) { o->switches.purge_reaps_gaps = false; }},
                    Mutant{"SweepTakesBases", "LOST",
                           [](WorldOptions* o) { o->switches.sweep_spares_bases = false; }},
                    Mutant{"PackRetiredUnseen", "LOST",
                           [](WorldOptions* o) { o->switches.retire_rechecks = false; }},
                    Mutant{"MoveIntoRetiredPack", "LOST",
                           [](WorldOptions* o) { o->switches.move_checks_target = false; }},
                    Mutant{"UnlinkBeforeCommit", "LOST",
                           [](WorldOptions* o) { o->unlink_before_commit = true; }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace holdfast::catalog
