// Goal: the metrics say what the facts say, in Prometheus' form; what never happened has no sample.
#include "controller/http/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/version.h"
#include "tests/unit/controller/http/facts_fixture.h"

namespace holdfast::http {
namespace {

using test::NightOfTest;
using test::WellFacts;

// name{labels} → value
std::map<std::string, double> Samples(const Facts& facts) {
  std::map<std::string, double> samples;
  const std::string text = MetricsText(facts);
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
    EXPECT_TRUE(samples.emplace(std::string(line.substr(0, space)), value).second) << line;
  }
  return samples;
}

std::string Of(const std::string& name, const std::string& source) {
  return "holdfast_source_" + name + "{agent=\"web-1\",kind=\"files\",source=\"" + source + "\"}";
}

TEST(MetricsTest, WhatASourceSays) {
  Facts facts = WellFacts();
  facts.sources[1].failure = catalog::RunFailure{test::Ms(NightOfTest()), 10, 2114, "text"};
  facts.sources[1].damaged_snapshots = 1;
  facts.sources[1].newest->partial = true;
  facts.sources[1].plan.is_restore_too_slow = true;
  const auto samples = Samples(facts);
  EXPECT_EQ(samples.at(Of("last_success_timestamp_seconds", "db")),
            absl::ToUnixSeconds(NightOfTest() - absl::Hours(12)));
  EXPECT_EQ(samples.at(Of("age_seconds", "db")), 12 * 3600);
  EXPECT_EQ(samples.at(Of("objective_seconds", "db")), 24 * 3600);
  EXPECT_EQ(samples.at(Of("objective_broken", "db")), 0);
  EXPECT_EQ(samples.at(Of("objective_broken", "files")), 1);
  EXPECT_EQ(samples.at(Of("last_duration_seconds", "db")), 1.5);
  EXPECT_EQ(samples.at(Of("content_bytes", "db")), 1000);
  EXPECT_EQ(samples.at(Of("last_stored_bytes", "db")), 10);
  EXPECT_EQ(samples.at(Of("snapshots", "db")), 3);
  EXPECT_EQ(samples.at(Of("healthy", "db")), 1);
  EXPECT_EQ(samples.at(Of("healthy", "files")), 0);
  EXPECT_EQ(samples.at(Of("last_run_failed", "db")), 0);
  EXPECT_EQ(samples.at(Of("last_run_failed", "files")), 1);
  EXPECT_EQ(samples.count(Of("last_failure_timestamp_seconds", "db")), 0u);
  EXPECT_EQ(samples.at(Of("last_failure_timestamp_seconds", "files")),
            absl::ToUnixSeconds(NightOfTest()));
  EXPECT_EQ(samples.at(Of("newest_partial", "files")), 1);
  EXPECT_EQ(samples.at(Of("damaged_snapshots", "files")), 1);
}

TEST(MetricsTest, WhatNeverHappenedHasNoSample) {
  Facts facts = WellFacts();
  facts.sources[0].newest.reset();
  facts.sources[0].snapshot_count = 0;
  facts.agents.push_back({"web-2", false, absl::InfinitePast(), absl::InfinitePast()});
  const auto samples = Samples(facts);
  for (const char* name : {"last_success_timestamp_seconds", "age_seconds", "content_bytes",
                           "last_duration_seconds", "last_verified_timestamp_seconds"}) {
    EXPECT_EQ(samples.count(Of(name, "db")), 0u) << name;
  }
  EXPECT_EQ(samples.at(Of("snapshots", "db")), 0);
  EXPECT_EQ(samples.at(Of("objective_seconds", "db")), 24 * 3600) << "so that a rule can see it";
  EXPECT_EQ(samples.count("holdfast_scrub_completed_timestamp_seconds"), 0u);
  EXPECT_EQ(samples.count("holdfast_outbox_depth"), 0u);
  EXPECT_EQ(samples.count("holdfast_agent_last_seen_timestamp_seconds{agent=\"web-2\"}"), 0u);
  EXPECT_EQ(samples.at("holdfast_agent_connected{agent=\"web-2\"}"), 0);
}

TEST(MetricsTest, WhatTheControllerSays) {
  Facts facts = WellFacts();
  facts.outbox = Outbox{4, 0};
  facts.unfinished_jobs = 2;
  const auto samples = Samples(facts);
  EXPECT_EQ(samples.at("holdfast_build_info{version=\"" + std::string(kVersion) + "\"}"), 1);
  EXPECT_EQ(samples.at("holdfast_backup_healthy"), 1);
  EXPECT_EQ(samples.at("holdfast_store_bytes"), 3000);
  EXPECT_EQ(samples.at("holdfast_store_packs"), 2);
  EXPECT_EQ(samples.at("holdfast_dedup_ratio"), 2);
  EXPECT_EQ(samples.at("holdfast_catalog_bytes"), 4096);
  EXPECT_EQ(samples.at("holdfast_outbox_depth"), 4);
  EXPECT_EQ(samples.at("holdfast_outbox_undelivered"), 0);
  EXPECT_EQ(samples.at("holdfast_unfinished_jobs"), 2);
  EXPECT_EQ(samples.at(
                "holdfast_controller_certificate_expiry_timestamp_seconds{certificate=\"server\"}"),
            absl::ToUnixSeconds(facts.server_certificate_ends));
  facts.outbox = Outbox{4, 1};
  EXPECT_EQ(Samples(facts).at("holdfast_outbox_undelivered"), 1);
  EXPECT_EQ(Samples(facts).at("holdfast_backup_healthy"), 0) << "people were not told";
  facts.outbox.reset();
  facts.is_writable = false;
  EXPECT_EQ(Samples(facts).at("holdfast_backup_healthy"), 0);
  facts.totals = {};
  EXPECT_EQ(Samples(facts).count("holdfast_dedup_ratio"), 0u) << "nothing divided by nothing";
}

TEST(MetricsTest, NamesCannotBreakOutOfTheirLabel) {
  Facts facts = WellFacts();
  facts.sources[0].name = "a\"} 1\nholdfast_store_writable 1\n\\";
  const auto samples = Samples(facts);
  EXPECT_EQ(samples.count("holdfast_store_writable"), 1u);
  EXPECT_EQ(samples.count(Of("snapshots", "a\\\"} 1\\nholdfast_store_writable 1\\n\\\\")), 1u);
}

}  // namespace
}  // namespace holdfast::http
