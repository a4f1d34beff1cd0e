// Goal: the audit trail is shown as the controller tells it, escaped, and a broken one is exit 5.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class AuditCommandTest : public CliTest {
 protected:
  AuditCommandTest() {
    client_->audit.rows = {
        {8, 1'767'751'200'000, "ann\x1b", "snapshot.forget", "web-1/db", "snapshot 3"},
        {7, 1'767'751'100'000, "the retention policy", "snapshot.expire", "web-1/db", ""}};
    client_->audit.total = 8;
    client_->audit.newest_hash = Bytes(32, '\xab');
  }
};

TEST_F(AuditCommandTest, ListShowsWhoWhatAndWhen) {
  ASSERT_EQ(Run({"audit", "list", "--limit", "2"}), 0) << err();
  EXPECT_EQ(client_->audit_limits, std::vector<std::uint32_t>{2});
  EXPECT_NE(out().find("2026-01-07 02:00 UTC"), std::string::npos) << out();
  EXPECT_NE(out().find("ann\\x1b"), std::string::npos) << out();
  EXPECT_NE(out().find("snapshot.expire"), std::string::npos);
  EXPECT_NE(err().find("The newest 2 of 8"), std::string::npos) << err();
  ASSERT_EQ(Run({"audit", "list", "--json"}), 0);
  EXPECT_EQ(client_->audit_limits.back(), 100u);
  const Json json = OutJson();
  EXPECT_EQ(json["total"], 8);
  EXPECT_EQ(json["broken_at"], 0);
  EXPECT_EQ(json["newest_hash"].get<std::string>().substr(0, 4), "abab");
  EXPECT_EQ(json["audit"][0]["id"], 8);
  EXPECT_EQ(json["audit"][0]["action"], "snapshot.forget");
  EXPECT_EQ(json["audit"][0]["object"], "web-1/db");
  EXPECT_EQ(json["audit"][0]["detail"], "snapshot 3");
  EXPECT_EQ(json["audit"][1]["at"], "2026-01-07T01:58:20.000Z");
  EXPECT_EQ(Run({"audit", "list", "--limit", "0"}), 2);
  EXPECT_EQ(Run({"audit"}), 2);
}

TEST_F(AuditCommandTest, ABrokenTrailIsShownAndIsExit5) {
  client_->audit.broken_at = 7;
  EXPECT_EQ(Run({"audit", "list"}), 5);
  EXPECT_NE(out().find("snapshot.expire"), std::string::npos) << out();
  EXPECT_NE(err().find("row 7"), std::string::npos) << err();
  EXPECT_NE(err().find("HF-5097"), std::string::npos) << err();
}

TEST_F(AuditCommandTest, NothingYet) {
  client_->audit = {};
  EXPECT_EQ(Run({"audit", "list"}), 0);
  EXPECT_EQ(out(), "");
  EXPECT_NE(err().find("Nothing"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::cli
