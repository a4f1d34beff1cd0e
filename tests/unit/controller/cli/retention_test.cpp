// Goal: forgetting asks first, names are resolved before anything is sent, and policies, verdicts
// and what was freed are shown as the controller says.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class RetentionTest : public CliTest {
 protected:
  RetentionTest() : db_(client_->AddSource("db", "postgres")) {
    for (const std::uint64_t seq : {1, 2, 3}) {
      client_->AddSummary("db", seq, 1'767'600'000'000 + seq * 86'400'000);
    }
  }
  const SourceId db_;
};

TEST_F(RetentionTest, ForgetAsksFirst) {
  EXPECT_EQ(Run({"forget", "db@1", "db@2"}), 4);
  EXPECT_NE(err().find("db@1, db@2"), std::string::npos) << err();
  EXPECT_NE(err().find("--yes"), std::string::npos);
  EXPECT_TRUE(client_->forgotten.empty());
  ASSERT_EQ(Run({"forget", "db@1", "db@2", "db@1", "--yes"}), 0) << err();
  ASSERT_EQ(client_->forgotten.size(), 1u);
  EXPECT_EQ(client_->forgotten[0].first, db_);
  EXPECT_EQ(client_->forgotten[0].second, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(out(), "");
}

TEST_F(RetentionTest, ForgetSendsNothingWhenOneNameIsWrong) {
  EXPECT_EQ(Run({"forget", "db@1", "db@9", "--yes"}), 6);
  EXPECT_EQ(Run({"forget", "--yes"}), 2);
  EXPECT_TRUE(client_->forgotten.empty());
  ASSERT_EQ(Run({"forget", "db@3", "--yes", "--json"}), 0);
  EXPECT_EQ(OutJson()["forgotten"][0], "db@3");
  EXPECT_EQ(OutJson()["until"], "2026-01-07T02:15:00.000Z");
}

TEST_F(RetentionTest, UndeleteListsAndFindsByNumber) {
  ASSERT_EQ(Run({"undelete"}), 0);
  EXPECT_EQ(err(), "The trash is empty.\n");
  client_->trash.push_back({client_->snapshots[0], 1'767'752'100'000});
  ASSERT_EQ(Run({"undelete"}), 0);
  EXPECT_NE(out().find("db@1"), std::string::npos) << out();
  ASSERT_EQ(Run({"undelete", "--json"}), 0);
  EXPECT_EQ(OutJson()["trash"][0]["until"], "2026-01-07T02:15:00.000Z");
  EXPECT_EQ(Run({"undelete", "db@2"}), 6);
  EXPECT_EQ(Run({"undelete", "db"}), 2) << "the newest of what?";
  EXPECT_TRUE(client_->undeleted.empty());
  ASSERT_EQ(Run({"undelete", "db@1"}), 0) << err();
  ASSERT_EQ(client_->undeleted.size(), 1u);
  EXPECT_EQ(client_->undeleted[0].second, 1u);
}

TEST_F(RetentionTest, PoliciesAreSetAndShown) {
  ASSERT_EQ(Run({"retention", "set", "db", "--keep-within", "7d", "--keep-daily", "14"}), 0)
      << err();
  EXPECT_EQ(out(), "db  --keep-within 7d --keep-daily 14 --keep-verified 1\n");
  const RetentionPolicy& policy = client_->retentions[db_].policy;
  EXPECT_EQ(policy.within_seconds, 7u * 86'400);
  EXPECT_EQ(policy.daily, 14u);
  EXPECT_EQ(policy.verified, 1u);
  ASSERT_EQ(Run({"retention", "set", "db", "--default", "--json"}), 0);
  EXPECT_EQ(OutJson()["default"], true);
  EXPECT_EQ(Run({"retention", "set", "db", "--keep-last", "-1"}), 2);
  EXPECT_EQ(Run({"retention", "set", "db", "--keep-last", "1e99"}), 2);
  EXPECT_EQ(Run({"retention", "set", "db", "--keep-within", "soon"}), 2);
  EXPECT_EQ(Run({"retention", "show", "nothing"}), 6);
  ASSERT_EQ(Run({"retention", "show", "db"}), 0);
}

TEST_F(RetentionTest, ExplainNamesVerdictsAndThePause) {
  Retention& retention = client_->retentions[db_];
  retention.verdicts = {{3, 1'767'752'100'000, true, "newest"},
                        {2, 1'767'752'100'000, false, "no rule keeps it"}};
  retention.pause = "its last backup failed";
  ASSERT_EQ(Run({"retention", "explain", "db"}), 0);
  EXPECT_NE(out().find("db@2      2026-01-07 02:15 UTC  trash    no rule keeps it"),
            std::string::npos)
      << out();
  EXPECT_NE(err().find("retention confirm db --removals 1"), std::string::npos) << err();
  ASSERT_EQ(Run({"retention", "explain", "db", "--json"}), 0);
  EXPECT_EQ(OutJson()["removals"], 1);
  EXPECT_EQ(OutJson()["snapshots"][0]["keep"], true);
  ASSERT_EQ(Run({"retention", "confirm", "db", "--removals", "1"}), 0);
  ASSERT_EQ(client_->confirmations.size(), 1u);
  EXPECT_EQ(client_->confirmations[0].second, 1u);
  EXPECT_EQ(Run({"retention", "confirm", "db"}), 2);
}

TEST_F(RetentionTest, GcSaysWhatWasFreed) {
  client_->collected.purged = {"db@1"};
  client_->collected.freed_bytes = 3 << 20;
  client_->collected.removed_packs = 2;
  client_->collected.notes = {"nothing of 'db' expires: \x1b[31mred"};
  ASSERT_EQ(Run({"gc"}), 0);
  EXPECT_EQ(out(),
            "purged: db@1\nfreed: 3.0 MiB (2 packs removed, 0 copied together)\n"
            "of no use, kept until its time is over: 0 B\n");
  EXPECT_EQ(err(), "warning: nothing of 'db' expires: \\x1b[31mred\n");
  ASSERT_EQ(Run({"gc", "--dry-run", "--json"}), 0);
  EXPECT_EQ(OutJson()["dry_run"], true);
  EXPECT_EQ(OutJson()["freed_bytes"], 3 << 20);
  EXPECT_TRUE(client_->collections.back().dry_run);
  client_->reachable = false;
  EXPECT_EQ(Run({"retention", "show", "db"}), 8);
}

}  // namespace
}  // namespace holdfast::cli
