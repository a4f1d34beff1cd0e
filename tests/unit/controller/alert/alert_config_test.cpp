// Goal: alerting is read as it is written, and what names nobody, nothing or no time is refused
// with its place.
#include "controller/alert/alert_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"

namespace holdfast::alert {
namespace {

using testing::HasSubstr;

constexpr char kGood[] = R"(alerts:
  no_success: 30h
  disk_free: 1GiB
  remind: 0
  link: https://backup.example.com/ack/
  channels:
    - {name: ops, kind: command, argv: [/bin/true]}
    - {name: pager, kind: pagerduty, routing_key_file: key}
  escalation:
    - {contacts: [ana]}
    - {after: 30m, contacts: [ben], channels: [pager]}
  digest: {at: "07:00", time_zone: Europe/Berlin, channels: [ops]}
  heartbeat: {url_file: url, every: 1m}
contacts:
  - {name: ana, role: database, channels: [ops], time_zone: Europe/Berlin,
     on_call: [{days: mon-fri, from: "08:00", to: "18:00"}]}
  - {name: ben, phone: "+49 30", channels: [ops, pager]}
providers:
  - {name: DigitalOcean, service: servers, support: "https://x.example", phone: "+1"}
)";

class AlertConfigTest : public testing::Test {
 protected:
  AlertConfigTest() {
    Write("key", "KEY");
    Write("url", "https://hc.example.com/SECRET");
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / name, text).ok());
  }
  absl::StatusOr<AlertConfig> Read(const std::string& yaml) {
    Write("c.yaml", yaml);
    const auto document = LoadConfig(RealFileSystem(), directory_ / "c.yaml");
    if (!document.ok()) return document.status();
    return ReadAlertConfig(RealFileSystem(), document->root());
  }
  // `from` in the good text replaced by `to`.
  absl::Status Changed(const std::string& from, const std::string& to) {
    std::string text = kGood;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return Read(text.replace(at, from.size(), to)).status();
  }
  holdfast::test::TempDir directory_;
};

TEST_F(AlertConfigTest, AllOfItIsRead) {
  const auto config = Read(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.no_success, absl::Hours(30));
  EXPECT_EQ(config->remind, absl::ZeroDuration());
  ASSERT_EQ(config->steps.size(), 2u);
  EXPECT_EQ(config->steps[1].after, absl::Minutes(30));
  ASSERT_EQ(config->contacts.size(), 2u);
  EXPECT_EQ(config->contacts[0].hours.size(), 1u);
  EXPECT_EQ(config->digest->minute, 7 * 60);
  EXPECT_EQ(config->heartbeat->every, absl::Minutes(1));
  EXPECT_EQ(config->providers.at(0).name, "DigitalOcean");
}

TEST_F(AlertConfigTest, NothingMeansDefaultsAndNobody) {
  const auto config = Read("{}");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.no_success, absl::Hours(25));
  EXPECT_TRUE(config->channels.empty());
}

TEST_F(AlertConfigTest, NonsenseIsRefusedWithItsPlace) {
  const std::pair<const char*, const char*> changes[] = {
      {"contacts: [ana]", "contacts: [eva]"},
      {"channels: [pager]}", "channels: [smoke]}"},
      {"{contacts: [ana]}", "{after: 1m}"},
      {"after: 30m", "after: 0"},
      {"Europe/Berlin, channels", "Mars/Olympus, channels"},
      {"at: \"07:00\"", "at: \"25:00\""},
      {"no_success: 30h", "no_success: 0"},
      {"remind: 0", "remind: 1s"},
      {"link: https", "link: gopher"},
      {"days: mon-fri", "days: someday"},
      {"name: ben", "name: ana"},
      {"every: 1m", "every: 0"},
      {"url_file: url", "url: \"https://hc.example.com/SECRET\""},
      {"providers:", "provider:\n  - {x: 1}\nproviders:\n  - {service: y}\n#"},
  };
  for (const auto& [from, to] : changes) {
    const absl::Status status = Changed(from, to);
    EXPECT_FALSE(status.ok()) << to;
    EXPECT_THAT(MessageOf(status), HasSubstr("c.yaml:")) << to;
    EXPECT_THAT(MessageOf(status), testing::Not(HasSubstr("SECRET"))) << to;
  }
}

}  // namespace
}  // namespace holdfast::alert
