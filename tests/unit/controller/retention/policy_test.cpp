// Goal: every rule keeps what it names, no rule removes what another keeps, and the guards hold
// whatever the policy says.
// Method: hand-made calendars; then random policies over random snapshots against the invariants.
#include "controller/retention/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "common/base/error.h"
#include "controller/catalog/catalog_builder.h"

namespace holdfast::retention {
namespace {

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, &time, &error)) << error;
  return time;
}

// One per hour from `first` on, numbered from 1.
std::vector<Snapshot> Hourly(const std::string& first, int count) {
  std::vector<Snapshot> snapshots;
  for (int i = 0; i < count; ++i) {
    snapshots.push_back(
        {static_cast<std::uint64_t>(i + 1), At(first) + absl::Hours(i), false, 1000});
  }
  return snapshots;
}

std::set<std::uint64_t> Kept(const std::vector<Verdict>& verdicts) {
  std::set<std::uint64_t> kept;
  for (const Verdict& verdict : verdicts) {
    if (verdict.keep) kept.insert(verdict.seq);
  }
  return kept;
}

std::set<std::uint64_t> KeptBy(const std::string& policy, const std::vector<Snapshot>& snapshots) {
  return Kept(Judge(ParsePolicy(policy).value(), snapshots, snapshots.back().committed_at));
}

using Seqs = std::set<std::uint64_t>;

TEST(Policy, OneThatKeepsEverythingExists) {
  const auto policy = ParsePolicy(catalog::kKeepEverything);
  ASSERT_TRUE(policy.ok()) << policy.status();
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  for (const Verdict& verdict :
       Judge(*policy, {{1, absl::FromUnixSeconds(0)}, {2, now - absl::Hours(1)}}, now)) {
    EXPECT_TRUE(verdict.keep) << verdict.seq;
  }
}

TEST(Policy, EveryRuleKeepsTheNewestOfItsPeriods) {
  const auto hours = Hourly("2026-01-05 00:30", 72);  // Monday to Wednesday
  EXPECT_EQ(KeptBy("last=3", hours), (Seqs{70, 71, 72}));
  EXPECT_EQ(KeptBy("hourly=2", hours), (Seqs{71, 72}));
  EXPECT_EQ(KeptBy("daily=2", hours), (Seqs{48, 72}));
  EXPECT_EQ(KeptBy("daily=99", hours), (Seqs{24, 48, 72}));
  EXPECT_EQ(KeptBy("weekly=5", hours), (Seqs{72}));
  EXPECT_EQ(KeptBy("within=2h", hours), (Seqs{71, 72}));
  EXPECT_EQ(KeptBy("last=1 daily=2 within=3h", hours), (Seqs{48, 70, 71, 72}));
}

TEST(Policy, WeeksBeginOnMondayMonthsAndYearsByCalendar) {
  std::vector<Snapshot> snapshots;
  for (const char* when : {"2024-12-31 12:00", "2025-06-30 12:00", "2025-12-28 23:59",
                           "2025-12-29 00:00", "2026-01-04 23:59", "2026-01-05 00:00"}) {
    snapshots.push_back({snapshots.size() + 1, At(when), false, 1});
  }
  EXPECT_EQ(KeptBy("weekly=3", snapshots), (Seqs{3, 5, 6}));
  EXPECT_EQ(KeptBy("monthly=3", snapshots), (Seqs{2, 4, 6}));
  EXPECT_EQ(KeptBy("yearly=9", snapshots), (Seqs{1, 4, 6}));
}

TEST(Policy, APeriodWithoutSnapshotsDoesNotCount) {
  std::vector<Snapshot> snapshots = {{1, At("2026-01-01 02:00"), false, 1},
                                     {2, At("2026-03-01 02:00"), false, 1},
                                     {3, At("2026-03-02 02:00"), false, 1}};
  EXPECT_EQ(KeptBy("daily=3", snapshots), (Seqs{1, 2, 3}));
}

TEST(Policy, ReasonsAreNamed) {
  auto snapshots = Hourly("2026-01-05 00:30", 3);
  snapshots[0].verified = true;
  const auto verdicts =
      Judge(ParsePolicy("daily=1 last=1").value(), snapshots, snapshots.back().committed_at);
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[0].reason, "newest; last 1 of 1; day 1 of 1");
  EXPECT_EQ(verdicts[1].reason, "no rule keeps it");
  EXPECT_FALSE(verdicts[1].keep);
  EXPECT_EQ(verdicts[2].reason, "verified 1 of 1");
  EXPECT_TRUE(verdicts[2].keep);
}

TEST(Policy, DefaultsByKind) {
  EXPECT_EQ(PolicyText(DefaultPolicy("postgres")), "within=7d daily=7");
  EXPECT_EQ(PolicyText(DefaultPolicy("redis")), "within=7d daily=7");
  EXPECT_EQ(PolicyText(DefaultPolicy("files")), "within=30d daily=30");
}

TEST(Policy, TextIsReadBackAndNonsenseIsRefused) {
  for (const std::string text :
       {"within=90m last=1", "within=7d last=3 hourly=24 daily=7 weekly=4 monthly=12 yearly=5",
        "last=1 verified=0", "yearly=2 verified=3", "within=30s"}) {
    EXPECT_EQ(PolicyText(ParsePolicy(text).value()), text);
  }
  for (const std::string text :
       {"", "last=0", "within=0", "verified=5", "last", "last=-1", "last=1e99", "last=99999999999",
        "daily=1 daily=2", "fortnightly=1", "within=soon", "within=9999999w", "last=1 =2"}) {
    const auto policy = ParsePolicy(text);
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_EQ(KindOf(policy.status()), ErrorKind::kUsage) << text;
    EXPECT_EQ(CodeOf(policy.status()), 5081) << text;
  }
}

TEST(Policy, GuardsHoldForRandomPolicies) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto draw = [&](unsigned below) { return static_cast<std::uint32_t>(random() % below); };
    Policy policy;
    policy.last = draw(3);
    policy.hourly = draw(4);
    policy.daily = draw(4);
    policy.weekly = draw(3);
    policy.monthly = draw(3);
    policy.yearly = draw(3);
    policy.within = absl::Hours(draw(100));
    policy.verified = draw(4);
    std::vector<Snapshot> snapshots;
    absl::Time at = At("2026-01-01 00:00");
    for (unsigned i = 0; i < 1 + draw(60); ++i) {
      at += absl::Minutes(draw(3000));
      snapshots.push_back({i + 1, at, draw(4) == 0, 1});
    }
    const absl::Time now = at + absl::Hours(draw(2000));
    auto shuffled = snapshots;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const auto verdicts = Judge(policy, shuffled, now);
    const Seqs kept = Kept(verdicts);
    ASSERT_EQ(verdicts.size(), snapshots.size());
    EXPECT_TRUE(kept.contains(snapshots.back().seq)) << "the newest went";
    std::uint32_t verified = 0;
    for (auto one = snapshots.rbegin(); one != snapshots.rend(); ++one) {
      if (one->verified && verified++ < policy.verified) {
        EXPECT_TRUE(kept.contains(one->seq)) << "a verified one went: " << one->seq;
      }
      if (now - one->committed_at < policy.within) {
        EXPECT_TRUE(kept.contains(one->seq));
      }
    }
    // Judging again what was kept removes nothing more.
    std::vector<Snapshot> left;
    for (const Snapshot& one : snapshots) {
      if (kept.contains(one.seq)) left.push_back(one);
    }
    EXPECT_EQ(Kept(Judge(policy, left, now)), kept);
  }
}

TEST(Policy, DoubtsAShrunkenSourceAndManyRemovals) {
  auto snapshots = Hourly("2026-01-05 00:30", 12);
  const absl::Time now = snapshots.back().committed_at;
  const auto judge = [&](const std::string& text) {
    return Judge(ParsePolicy(text).value(), snapshots, now);
  };
  EXPECT_EQ(Doubt(snapshots, judge("last=10")), "");
  EXPECT_EQ(Doubt(snapshots, judge("last=6")), "");
  EXPECT_EQ(Doubt(snapshots, judge("last=5")), "7 of 12 snapshots would go at once");
  snapshots.back().content_bytes = 499;
  EXPECT_NE(Doubt(snapshots, judge("last=10")), "");
  snapshots.back().content_bytes = 500;
  EXPECT_EQ(Doubt(snapshots, judge("last=10")), "");
  EXPECT_EQ(Doubt({}, {}), "");
}

TEST(Policy, AClockThatLeaptIsNoticed) {
  const absl::Time seen = At("2026-01-05 00:30");
  EXPECT_FALSE(ClockLeapt(seen, seen));
  EXPECT_FALSE(ClockLeapt(seen, seen + absl::Hours(72)));
  EXPECT_TRUE(ClockLeapt(seen, seen + absl::Hours(73)));
  EXPECT_FALSE(ClockLeapt(seen, seen - absl::Minutes(59)));
  EXPECT_TRUE(ClockLeapt(seen, seen - absl::Minutes(61)));
}

}  // namespace
}  // namespace holdfast::retention
