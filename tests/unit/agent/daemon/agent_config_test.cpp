// Goal: the agent's configuration is read strictly; what is wrong names file, line and column.
#include "agent/daemon/agent_config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "tests/support/config_fixture.h"

namespace holdfast::daemon {
namespace {

class AgentConfigTest : public test::ConfigFixture<AgentConfig> {
 protected:
  AgentConfigTest() : ConfigFixture(&LoadAgentConfig, "agent.yaml") {}
};

TEST_F(AgentConfigTest, EverySourceKindIsRead) {
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "password", "secret\n").ok());
  const auto config = Load(
      "data_directory: /srv/agent\ncontroller: backup:7443\n"
      "restore_roots: [/srv/restore, /tmp]\nsources:\n"
      "  - {name: uploads, kind: files, root: /srv/uploads, exclude: ['*.tmp']}\n"
      "  - {name: db, kind: postgres, host: /run/postgresql, database: pos}\n"
      "  - {name: cache, kind: redis, port: 6380, mode: scan, password_file: " +
      (directory_ / "password") + "}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->data_directory, "/srv/agent");
  EXPECT_EQ(config->controller, "backup:7443");
  EXPECT_EQ(config->restore_roots, (std::vector<std::string>{"/srv/restore", "/tmp"}));
  ASSERT_EQ(config->sources.size(), 3u);
  EXPECT_EQ(config->Find("uploads")->kind(), "files");
  EXPECT_EQ(config->Find("db")->kind(), "postgres");
  EXPECT_EQ(config->Find("cache")->kind(), "redis");
  EXPECT_EQ(config->Find("nothing"), nullptr);
  const auto& redis = std::get<redis::RedisOptions>(config->Find("cache")->options);
  EXPECT_EQ(redis.address.port, 6380);
  EXPECT_EQ(redis.mode, redis::RedisOptions::Mode::kScan);
  EXPECT_EQ(redis.address.password, "secret");
}

TEST_F(AgentConfigTest, BadValuesNameTheirPlace) {
  ExpectRefused("data_directory: relative\n", "1:17");
  ExpectRefused("restore_roots: [/srv, relative]\n", "1:16");
  ExpectRefused("sources: text\n", "1:10");
  ExpectRefused("sources:\n  - text\n", "2:5");
  ExpectRefused("sources:\n  - {name: 'a/b', kind: files, root: /srv}\n", "2:12");
  ExpectRefused("sources:\n  - {name: '', kind: files, root: /srv}\n", "2:12");
  ExpectRefused("sources:\n  - {name: a, kind: mysql}\n", "2:21");
  ExpectRefused("sources:\n  - {name: a, kind: redis, port: 0}\n", "2:34");
  ExpectRefused("sources:\n  - {name: a, kind: redis, mode: aof}\n", "2:34");
  ExpectRefused("sources:\n  - {name: a, kind: redis, timeout: 1ms}\n", "2:37");
  ExpectRefused("sources:\n  - {name: a, kind: redis, database: 1}\n", "2:28");
  ExpectRefused("sorces: []\n", "1:1");
}

TEST_F(AgentConfigTest, DeltasAreOnUnlessASourceSaysOtherwise) {
  const auto config = Load(
      "sources:\n  - {name: a, kind: redis}\n"
      "  - {name: b, kind: files, root: /srv, delta: {enabled: false}}\n"
      "  - {name: c, kind: postgres, database: x, delta: {cache: 64 MiB}}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->Find("a")->delta);
  EXPECT_EQ(config->Find("a")->delta_cache_bytes, 2ull << 30);
  EXPECT_FALSE(config->Find("b")->delta);
  EXPECT_TRUE(config->Find("c")->delta);
  EXPECT_EQ(config->Find("c")->delta_cache_bytes, 64u << 20);
  ExpectRefused("sources:\n  - {name: a, kind: redis, delta: {cash: 1GiB}}\n", "2:36");
  ExpectRefused("sources:\n  - {name: a, kind: redis, delta: {cache: much}}\n", "2:43");
}

TEST_F(AgentConfigTest, UploadsHaveATimetable) {
  const auto config = Load(
      "nice: 10\nupload:\n  limit: 20 MiB\n  timetable:\n"
      "    - {days: mon-fri, from: \"08:00\", to: \"20:00\", limit: 2 MiB}\n"
      "    - {days: [sat, sun], from: \"22:00\", to: \"06:00\"}\n"
      "    - {from: \"00:00\", to: \"24:00\", limit: 64 KiB}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->nice, 10);
  EXPECT_EQ(config->upload.limit, 20u << 20);
  ASSERT_EQ(config->upload.windows.size(), 3u);
  EXPECT_EQ(config->upload.windows[0].hours.days, 0x1f);
  EXPECT_EQ(config->upload.windows[0].hours.from_minute, 480);
  EXPECT_EQ(config->upload.windows[0].hours.to_minute, 1200);
  EXPECT_EQ(config->upload.windows[0].limit, 2u << 20);
  EXPECT_EQ(config->upload.windows[1].hours.days, 0x60);
  EXPECT_EQ(config->upload.windows[1].limit, std::nullopt);
  EXPECT_EQ(config->upload.windows[2].hours.days, 0x7f);
  EXPECT_EQ(config->upload.windows[2].hours.to_minute, 1440);
  ExpectRefused("nice: 20\n", "1:7");
  ExpectRefused("upload: {limit: 1 KiB}\n", "1:17");
  ExpectRefused("upload: {limt: 1 MiB}\n", "1:10");
  ExpectRefused("upload: {timetable: [{from: \"8:00\", to: \"09:00\"}]}\n", "1:29");
  ExpectRefused("upload: {timetable: [{from: \"08:00\", to: \"24:01\"}]}\n", "1:42");
  ExpectRefused("upload: {timetable: [{from: \"08:00\"}]}\n", "1:22");
  ExpectRefused("upload: {timetable: [{days: today, from: \"08:00\", to: \"09:00\"}]}\n", "1:29");
}

TEST_F(AgentConfigTest, NamesAreUnique) {
  ExpectRefused(
      "sources:\n  - {name: a, kind: redis}\n  - {name: b, kind: redis}\n"
      "  - {name: a, kind: redis}\n",
      "4:5");
}

TEST_F(AgentConfigTest, ASourceNeedsItsParts) {
  for (const char* text : {"sources:\n  - {kind: redis}\n", "sources:\n  - {name: a}\n",
                           "sources:\n  - {name: a, kind: files}\n"}) {
    const auto status = Load(text).status();
    EXPECT_EQ(ExitCodeOf(status), 2) << text << status;
    EXPECT_NE(MessageOf(status).find(path_ + ":2:"), std::string::npos) << status;
  }
}

TEST_F(AgentConfigTest, APasswordThatOthersReadIsRefused) {
  const std::string password = directory_ / "password";
  ASSERT_TRUE(RealFileSystem().WriteAtomically(password, "secret", 0644).ok());
  const auto status =
      Load("sources:\n  - {name: a, kind: redis, password_file: " + password + "}\n").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ((MessageOf(status) + HintOf(status)).find("secret\n"), std::string::npos);
}

TEST_F(AgentConfigTest, AFileThatWasNamedMustExist) {
  EXPECT_EQ(ExitCodeOf(LoadAgentConfig(RealFileSystem(), directory_ / "absent").status()), 2);
}

}  // namespace
}  // namespace holdfast::daemon
