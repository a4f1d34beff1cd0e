// Goal: the controller's configuration is read strictly; what is wrong names file, line and column.
#include "controller/daemon/controller_config.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/config_fixture.h"

namespace holdfast::daemon {
namespace {

class ControllerConfigTest : public test::ConfigFixture<ControllerConfig> {
 protected:
  ControllerConfigTest() : ConfigFixture(&LoadControllerConfig, "controller.yaml") {}
};

TEST_F(ControllerConfigTest, EverythingIsRead) {
  const auto config = Load(
      "data_directory: /srv/holdfast\nlisten: 0.0.0.0:1\nlisten_enrollment: '[::1]:65535'\n"
      "advertise: backup.example.com\nsocket: /run/x.sock\nlog: {level: debug, format: json}\n"
      "parity: 5\nscrub: {enabled: false, period: 7d, rate: 1MiB}\n"
      "retention: {trash: 30d, delay: 2h}\nquota: 500GiB\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->data_directory, "/srv/holdfast");
  EXPECT_EQ(config->listen.text(), "0.0.0.0:1");
  EXPECT_EQ(config->listen_enrollment.host, "[::1]");
  EXPECT_EQ(config->listen_enrollment.port, 65535);
  EXPECT_EQ(config->advertise, "backup.example.com");
  EXPECT_EQ(config->socket_path, "/run/x.sock");
  EXPECT_EQ(config->log.level, "debug");
  EXPECT_EQ(config->log.format, "json");
  EXPECT_EQ(config->parity_percent, 5u);
  EXPECT_FALSE(config->scrub.enabled);
  EXPECT_EQ(config->scrub.period, absl::Hours(7 * 24));
  EXPECT_EQ(config->scrub.rate_bytes, 1u << 20);
  EXPECT_EQ(config->retention.trash_time, absl::Hours(24 * 30));
  EXPECT_EQ(config->retention.sweep_delay, absl::Hours(2));
  EXPECT_EQ(config->quota.agent, "500GiB");
}

TEST_F(ControllerConfigTest, WhatIsNotNamedHasDefaults) {
  const auto config = Load("data_directory: /srv/holdfast\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.text(), "127.0.0.1:7443");
  EXPECT_EQ(config->listen_enrollment.text(), "127.0.0.1:7444");
  EXPECT_EQ(config->log.level, "info");
  EXPECT_EQ(config->retention.trash_time, absl::Hours(24 * 14));
  EXPECT_EQ(config->retention.sweep_delay, absl::Hours(24));
  EXPECT_EQ(config->socket_path[0], '/');
  EXPECT_EQ(config->parity_percent, 2u);
  EXPECT_EQ(config->quota.agent, "") << "no limit";
  EXPECT_TRUE(config->scrub.enabled);
  EXPECT_EQ(config->scrub.period, absl::Hours(30 * 24));
}

TEST_F(ControllerConfigTest, BadValuesNameTheirPlace) {
  ExpectRefused("data_directory: relative\n", "1:17");
  ExpectRefused("data_directory: ''\n", "1:17");
  ExpectRefused("listen: localhost\n", "1:9");
  ExpectRefused("quota: much\n", "1:8");
  ExpectRefused("quota: -1\n", "1:8");
  ExpectRefused("listen: ':7443'\n", "1:9");
  ExpectRefused("listen: host:port\n", "1:9");
  ExpectRefused("listen: host:65536\n", "1:9");
  ExpectRefused("listen: host:-1\n", "1:9");
  ExpectRefused("advertise: a\nlisten_enrollment: host:9x\n", "2:20");
  ExpectRefused("log: {level: info, colour: red}\n", "1:20");
  ExpectRefused("retention: {trash: soon}\n", "1:20");
  ExpectRefused("retention: {trash: 1d, forever: true}\n", "1:24");
  ExpectRefused("log: text\n", "1:6");
  ExpectRefused("parity: 51\n", "1:9");
  ExpectRefused("parity: -1\n", "1:9");
  ExpectRefused("scrub: {period: 0s}\n", "1:17");
  ExpectRefused("scrub: {rate: 1KiB}\n", "1:15");
  ExpectRefused("scrub: {speed: 1MiB}\n", "1:9");
  ExpectRefused("advertise: a\nlisten_enrolment: 127.0.0.1:1\n", "2:1");
  ExpectRefused("advertise: a\nadvertise: b\n", "2:1");
}

TEST_F(ControllerConfigTest, WhatAgentsMaySendTogetherHasATimetable) {
  EXPECT_EQ(Load("parity: 2\n")->ingest.limit, std::nullopt);
  const auto config = Load(
      "ingest:\n  limit: 100 MiB\n  timetable:\n"
      "    - {days: mon-fri, from: \"08:00\", to: \"20:00\", limit: 10 MiB}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->ingest.limit, 100u << 20);
  ASSERT_EQ(config->ingest.windows.size(), 1u);
  EXPECT_EQ(config->ingest.windows[0].limit, 10u << 20);
  ExpectRefused("ingest: {limit: 1 KiB}\n", "1:17");
  ExpectRefused("ingest: {rate: 1 MiB}\n", "1:10");
}

TEST_F(ControllerConfigTest, HttpIsOffByDefaultAndThenOnLoopback) {
  EXPECT_FALSE(Load("parity: 2\n")->http);
  const auto config = Load("http: {}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->http->host, "127.0.0.1");
  EXPECT_EQ(config->http->port, 7445);
  EXPECT_TRUE(config->http->token.empty());
  EXPECT_TRUE(config->http->certificate_path.empty());
}

TEST_F(ControllerConfigTest, HttpForOthersNeedsTlsAndALongToken) {
  ASSERT_TRUE(
      RealFileSystem().WriteAtomically(directory_ / "token", "0123456789abcdef\n", 0600).ok());
  const auto config = Load(
      "http: {listen: 0.0.0.0:1, tls: {certificate: a.pem, key: /k/b.key}, token_file: token}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->http->certificate_path, directory_ / "a.pem");
  EXPECT_EQ(config->http->key_path, "/k/b.key");
  EXPECT_EQ(config->http->token.view(), "0123456789abcdef");
  ExpectRefused("http: {listen: 0.0.0.0:1}\n", "1:16");
  ExpectRefused("http: {listen: '[2001:db8::1]:1'}\n", "1:16");
  EXPECT_TRUE(Load("http: {listen: 0.0.0.0:1, allow_plaintext: true}\n").ok());
  EXPECT_TRUE(Load("http: {listen: '[::1]:1'}\n").ok());
  ExpectRefused("http: {tls: {certificate: a.pem}}\n", "1:13");
  ExpectRefused("http: {tls: {certificate: '', key: b}}\n", "1:27");
  ExpectRefused("http: {listen: 7445}\n", "1:16");
  ExpectRefused("http: {token: 0123456789abcdef}\n", "1:15");
  ExpectRefused("http: {port: 1}\n", "1:8");
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "short", "0123456789\n", 0600).ok());
  ExpectRefused("http: {token_file: short}\n", "1:7");
}

TEST_F(ControllerConfigTest, OnlySomeChangesNeedARestart) {
  ASSERT_TRUE(
      RealFileSystem().WriteAtomically(directory_ / "token", "0123456789abcdef\n", 0600).ok());
  const std::string without = "parity: 2\n";
  const std::string plain = without + "http: {listen: '127.0.0.1:1'}\n";
  const std::string guarded = without + "http: {listen: '127.0.0.1:1', token_file: token}\n";
  const auto changes = [&](const std::string& now, const std::string& fresh) {
    return ChangesThatNeedARestart(Load(now).value(), Load(fresh).value());
  };
  const std::vector<std::string_view> http = {"http"};
  EXPECT_EQ(changes(without, plain), http);
  EXPECT_EQ(changes(plain, without), http);
  EXPECT_EQ(changes(plain, guarded), http);
  EXPECT_EQ(changes(plain, without + "http: {listen: '127.0.0.1:2'}\n"), http);
  EXPECT_TRUE(changes(guarded, guarded).empty());
  EXPECT_TRUE(changes(plain, plain + "schedule: {cron: '0 5 * * *'}\n").empty());
  EXPECT_EQ(changes(plain, "parity: 3\n"), (std::vector<std::string_view>{"parity", "http"}));
}

TEST_F(ControllerConfigTest, UnknownKeysNameTheNearest) {
  const auto status = Load("listen_enrolment: 127.0.0.1:1\n").status();
  EXPECT_NE((MessageOf(status) + HintOf(status)).find("listen_enrollment"), std::string::npos)
      << status;
}

TEST_F(ControllerConfigTest, AFileThatWasNamedMustExist) {
  const auto status = LoadControllerConfig(RealFileSystem(), directory_ / "absent").status();
  EXPECT_EQ(ExitCodeOf(status), 2) << status;
  EXPECT_NE(MessageOf(status).find("absent"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::daemon
