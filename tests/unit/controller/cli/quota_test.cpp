// Goal: quotas are shown as the controller says, with where they come from, and changed only as
// asked.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class QuotaTest : public CliTest {
 protected:
  QuotaTest() {
    AgentQuota limited;
    limited.agent_name = "db-1";
    limited.limit = {"500GiB", "command", "agent", "root", 1'767'752'100'000};
    limited.limit_bytes = 500ull << 30;
    limited.stored_bytes = 400ull << 30;
    AgentQuota free;
    free.agent_name = "web\x1b[31m";
    free.limit = {"none", "default", "", "", 0};
    free.stored_bytes = 12 << 10;
    client_->quotas = {limited, free};
  }
};

TEST_F(QuotaTest, ListSaysWhatIsLeft) {
  ASSERT_EQ(Run({"quota", "list"}), 0) << err();
  EXPECT_EQ(out(),
            "AGENT        QUOTA   FROM                                  STORED     LEFT\n"
            "db-1         500GiB  command: root, 2026-01-07 02:15 UTC  400 GiB  100 GiB\n"
            "web\\x1b[31m  none    default                               12 KiB        -\n");
  EXPECT_EQ(err(), "");
  ASSERT_EQ(Run({"quota", "list", "--json"}), 0);
  const Json rows = OutJson()["quotas"];
  EXPECT_EQ(rows[0]["limit"]["value"], "500GiB");
  EXPECT_EQ(rows[0]["limit"]["origin"], "command");
  EXPECT_EQ(rows[0]["limit"]["set_by"], "root");
  EXPECT_EQ(rows[0]["left_bytes"], 100ull << 30);
  EXPECT_TRUE(rows[1]["limit_bytes"].is_null());
  EXPECT_TRUE(rows[1]["left_bytes"].is_null());
  EXPECT_EQ(rows[1]["stored_bytes"], 12 << 10);

  client_->quotas[0].stored_bytes = 501ull << 30;
  ASSERT_EQ(Run({"quota", "list"}), 0);
  EXPECT_NE(out().find("501 GiB   0 B\n"), std::string::npos) << out();
  EXPECT_EQ(err(), "warning: agent 'db-1' may store nothing new: its quota is used up\n");
}

TEST_F(QuotaTest, SetAndClearSayForWhom) {
  ASSERT_EQ(Run({"quota", "set", "db-1", "2TB"}), 0) << err();
  ASSERT_EQ(Run({"quota", "clear", "db-1", "--json"}), 0) << err();
  EXPECT_EQ(OutJson()["quotas"].size(), 1u) << "that agent only";
  ASSERT_EQ(client_->quota_changes.size(), 2u);
  EXPECT_EQ(client_->quota_changes[0].agent_name, "db-1");
  EXPECT_EQ(client_->quota_changes[0].limit, "2TB");
  EXPECT_FALSE(client_->quota_changes[0].by.empty());
  EXPECT_EQ(client_->quota_changes[1].limit, "");

  EXPECT_EQ(Run({"quota", "set", "db-1"}), 2);
  EXPECT_EQ(Run({"quota", "set", "db-1", ""}), 2);
  EXPECT_EQ(Run({"quota", "clear"}), 2);
  EXPECT_EQ(Run({"quota"}), 2);
  EXPECT_EQ(client_->quota_changes.size(), 2u);
  client_->quota_error = Error(ErrorKind::kUsage, 5037, "unable to read the quota 'x'");
  EXPECT_EQ(Run({"quota", "set", "db-1", "x"}), 2);
  EXPECT_NE(err().find("HF-5037"), std::string::npos) << err();
}

}  // namespace
}  // namespace holdfast::cli
