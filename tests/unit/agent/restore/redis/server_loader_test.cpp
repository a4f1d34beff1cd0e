// Goal: a server that does not hold what was loaded into it is never called restored, and is only
// emptied when nobody else's keys could go; what differs without harm is a warning.
// Method: scanned keys are restored into a server that misbehaves on purpose.
#include "agent/restore/redis/server_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "agent/restore/redis/redis_sink.h"
#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/scan_format.h"
#include "tests/contract/redis/fake_redis.h"
#include "tests/support/memory_snapshot.h"
#include "tests/support/temp_dir.h"

namespace holdfast::restore {
namespace {

using holdfast::redis::test::Bulk;
using holdfast::redis::test::FakeRedis;
using holdfast::redis::test::PassingClock;
using holdfast::test::MemorySnapshot;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SilentProgress final : public RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

Bytes WithFooter(const Bytes& body) { return body + redis::DumpFooter(body, 10); }

// What the server says; the rest is as a sound one answers.
struct Behaviour {
  std::string cluster_enabled = "0";
  std::string keyspace_after = "db0:keys=2,expires=0,avg_ttl=0\r\n";
  std::string time = "*2\r\n$2\r\n10\r\n$1\r\n0\r\n";
  std::string setting = "*2\r\n$9\r\nmaxmemory\r\n$1\r\n7\r\n";
  std::string function_flush = "+OK\r\n";
};

class ServerLoaderTest : public testing::Test {
 protected:
  ServerLoaderTest() : server_([this](const auto& words) { return Answer(words); }) {
    AddFile("scan/0.dump",
            redis::ScanHeader() +
                redis::EncodeScannedKey({"a", -1, WithFooter(Bytes("\x00\x01x", 3))}) +
                redis::EncodeScannedKey({"b", -1, WithFooter(Bytes("\x00\x01y", 3))}) +
                redis::ScanEnd(2),
            {{"keys.0", "2"}, {"expires.0", "0"}});
    Bytes library(1, static_cast<char>(redis::kOpcodeFunction2));
    redis::AppendRdbString("#!lua name=first", &library);
    const std::string functions = WithFooter(library);
    AddFile("config.json",
            R"({"config":{"maxmemory":"7"},"functions":{"libraries":["first"],"dump_base64":")" +
                absl::Base64Escape(absl::string_view(functions.data(), functions.size())) +
                R"("}})",
            {});
    source::SourceResult result;
    result.attributes = {{"point_in_time", "no"}, {"rdb_version", "10"}};
    snapshot_.Finish(result, "redis");
  }

  void AddFile(const std::string& path, const Bytes& content,
               std::map<std::string, std::string> attributes) {
    const auto lane = snapshot_.OpenLane();
    ASSERT_TRUE(lane->Begin().ok());
    ASSERT_TRUE(lane->Write(content).ok());
    Entry entry;
    entry.path = path;
    entry.attributes = std::move(attributes);
    ASSERT_TRUE(lane->End(std::move(entry)).ok());
  }

  std::string Answer(const std::vector<std::string>& words) {
    if (words[0] == "INFO") {
      const std::string keyspace = infos_++ == 0 ? "" : behaviour_.keyspace_after;
      return Bulk("redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:" +
                  behaviour_.cluster_enabled + "\r\n" + keyspace);
    }
    if (words[0] == "TIME") return behaviour_.time;
    if (words[0] == "CONFIG") return behaviour_.setting;
    if (words[0] == "FUNCTION" && words[1] == "LIST") return "*0\r\n";
    if (words[0] == "FUNCTION" && words[1] == "FLUSH") return behaviour_.function_flush;
    return "+OK\r\n";
  }

  absl::StatusOr<RestoreReport> Load() {
    SilentProgress progress;
    RedisRestoreOptions options;
    options.into_server = true;
    options.server = server_.address();
    return RestoreRedis(Env{clock_, RealRng(), RealFileSystem()}, snapshot_, options, progress, {});
  }

  Behaviour behaviour_;
  std::atomic<int> infos_ = 0;
  PassingClock clock_;
  MemorySnapshot snapshot_;
  FakeRedis server_;  // last: answers until it is gone
};

TEST_F(ServerLoaderTest, ASoundServerIsLoadedAndCompared) {
  const auto report = Load();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->compared_what, "2 keys in 1 database");
  EXPECT_THAT(report->warnings, IsEmpty());
  EXPECT_EQ(server_.CountOf("RESTORE"), 2);
}

TEST_F(ServerLoaderTest, AServerInClusterModeIsRefusedUntouched) {
  behaviour_.cluster_enabled = "1";
  const absl::Status status = Load().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRefused) << status;
  EXPECT_EQ(CodeOf(status), 3204);
  EXPECT_THAT(MessageOf(status), HasSubstr("cluster mode is enabled"));
  EXPECT_EQ(server_.CountOf("RESTORE"), 0);
}

TEST_F(ServerLoaderTest, AServerWithoutATimeIsNotLoaded) {
  behaviour_.time = "*0\r\n";
  const absl::Status status = Load().status();
  EXPECT_EQ(CodeOf(status), 3207) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("unable to read the time"));
  EXPECT_EQ(server_.CountOf("RESTORE"), 0);
}

TEST_F(ServerLoaderTest, AKeyThatWentMissingIsNoRestoreAndTheRestIsEmptied) {
  behaviour_.keyspace_after = "db0:keys=1,expires=0,avg_ttl=0\r\n";
  const absl::Status status = Load().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 3208);
  EXPECT_THAT(MessageOf(status), HasSubstr("1 keys where 2 were loaded and at most 0"));
  EXPECT_EQ(server_.CountOf("FLUSHDB"), 1);
}

TEST_F(ServerLoaderTest, KeysOfSomebodyElseAreTheReasonNotToEmptyIt) {
  behaviour_.keyspace_after += "db5:keys=9,expires=0,avg_ttl=0\r\n";
  const absl::Status status = Load().status();
  EXPECT_EQ(CodeOf(status), 3208) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("9 keys that are not of the snapshot"));
  EXPECT_THAT(MessageOf(status), HasSubstr("it holds keys of somebody else"));
  EXPECT_EQ(server_.CountOf("FLUSHDB"), 0);
}

TEST_F(ServerLoaderTest, FunctionsThatStayAreSaid) {
  behaviour_.keyspace_after = "";
  behaviour_.function_flush = "-ERR not now\r\n";
  const absl::Status status = Load().status();
  EXPECT_EQ(CodeOf(status), 3208) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("still holds what was loaded"));
  EXPECT_THAT(MessageOf(status), HasSubstr("not now"));
  EXPECT_EQ(server_.CountOf("FLUSHDB"), 1);
}

TEST_F(ServerLoaderTest, SettingsThatDifferAreNamed) {
  behaviour_.setting = "*2\r\n$9\r\nmaxmemory\r\n$1\r\n8\r\n";
  const auto report = Load();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_THAT(report->warnings[0], HasSubstr("were left alone: maxmemory"));
}

TEST_F(ServerLoaderTest, AServerThatGoesAfterTheProofIsARestoreWithAWarning) {
  behaviour_.setting = "\x04";
  const auto report = Load();
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->warnings.size(), 1u);
  EXPECT_THAT(report->warnings[0], HasSubstr("settings were not compared"));
  EXPECT_EQ(server_.CountOf("FLUSHDB"), 0) << "the data is there and proved";
}

TEST_F(ServerLoaderTest, AnEntryThatIsNoScanIsDamage) {
  AddFile("scan/notes", "x", {});
  const absl::Status status = Load().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 3211);
  EXPECT_THAT(MessageOf(status), HasSubstr("unexpected entry 'scan/notes'"));
}

// An RDB by replication, as a server with "rdbchecksum no" and "appendonly yes" sends it.
TEST(RdbFileTest, WarnsOfAMissingChecksumAndOfAppendOnly) {
  MemorySnapshot snapshot;
  const auto add = [&](const std::string& path, const Bytes& content) {
    const auto lane = snapshot.OpenLane();
    ASSERT_TRUE(lane->Begin().ok());
    ASSERT_TRUE(lane->Write(content).ok());
    Entry entry;
    entry.path = path;
    ASSERT_TRUE(lane->End(std::move(entry)).ok());
  };
  const Bytes rdb = "REDIS0010" + Bytes(1, static_cast<char>(redis::kOpcodeEof)) + Bytes(8, '\0');
  add("dump.rdb", rdb);
  add("config.json", R"({"config":{"appendonly":"yes"}})");
  snapshot.Finish({}, "redis");

  const holdfast::test::TempDir directory;
  SilentProgress progress;
  RedisRestoreOptions options;
  options.rdb_file = directory / "dump.rdb";
  const auto report = RestoreRedis(RealEnv(), snapshot, options, progress, {});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->warnings, ElementsAre(HasSubstr("the RDB has no checksum"),
                                            HasSubstr("the server used appendonly yes")));
  EXPECT_EQ(RealFileSystem().ReadFile(options.rdb_file).value(), rdb);
}

}  // namespace
}  // namespace holdfast::restore
