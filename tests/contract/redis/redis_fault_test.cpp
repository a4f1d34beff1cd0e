// Goal: a backup of Redis that went wrong says so: refused rights, a server not ready, a stream
// that
//       is cut or damaged, a failover, a shard (fault rows 75 to 78).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "agent/source/redis/crc64.h"
#include "agent/source/redis/replication_stream.h"
#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/contract/redis/fake_redis.h"
#include "tests/contract/redis/round_trip.h"
#include "tests/support/free_port.h"

namespace holdfast::redis {
namespace {

using holdfast::test::MemorySnapshot;
using holdfast::test::RedisServer;
using test::Bulk;
using test::FakeRedis;
using test::PassingClock;
using testing::HasSubstr;
using Words = std::vector<std::string>;

const std::string kId(40, 'a');
const std::string kMark(40, 'M');
const std::string kClose = "\x04";

Bytes SmallRdb() {
  Bytes rdb("REDIS0010\xfe\x00\x00\x01k\x01v\xff", 17);
  Writer writer;
  writer.Raw(rdb);
  writer.U64(Crc64(0, rdb));
  return writer.Take();
}

std::string InfoText(const std::string& role = "master", const std::string& id = kId) {
  return Bulk("redis_version:7.0.15\r\nrole:" + role + "\r\nmaster_replid:" + id +
              "\r\ndb0:keys=1,expires=0\r\n");
}

// A sound server whose answer to PSYNC is `stream`.
FakeRedis::Answer Sending(const std::string& stream) {
  return [stream](const Words& words) -> std::string {
    if (words[0] == "PSYNC") return "+FULLRESYNC " + kId + " 42\r\n" + stream;
    if (words[0] == "INFO") return InfoText();
    if (words[0] == "CONFIG" || words[0] == "ACL") return "*0\r\n";
    if (words[0] == "FUNCTION") return words[1] == "LIST" ? "*0\r\n" : "$-1\r\n";
    return "+OK\r\n";
  };
}

struct Outcome {
  absl::StatusOr<source::SourceResult> result;
  MemorySnapshot snapshot;
  PassingClock clock;
};

void ReadFrom(const RedisAddress& address, Outcome* outcome,
              RedisOptions::Mode mode = RedisOptions::Mode::kAuto) {
  Env env{outcome->clock, RealRng(), RealFileSystem()};
  RedisSource source(env, {address, mode});
  outcome->result = source.Read(outcome->snapshot, {});
}

TEST(RedisStreamFault, BothFramesAreTakenAsTheyAre) {
  const Bytes rdb = SmallRdb();
  for (const std::string& stream : {"\n\n$" + std::to_string(rdb.size()) + "\r\n" + rdb,
                                    "\n$EOF:" + kMark + "\r\n" + rdb + kMark}) {
    FakeRedis server(Sending(stream));
    Outcome outcome;
    ReadFrom(server.address(), &outcome);
    ASSERT_TRUE(outcome.result.ok()) << Render(outcome.result.status());
    EXPECT_EQ(outcome.snapshot.ContentOf("dump.rdb"), rdb);
    EXPECT_EQ(outcome.result->position, kId + ":42");
    EXPECT_EQ(outcome.result->summary, "1 key in 1 database");
    EXPECT_TRUE(outcome.result->notes.empty());
  }
}

TEST(RedisStreamFault, ADamagedStreamIsNeverABackup) {
  const Bytes rdb = SmallRdb();
  Bytes flipped = rdb;
  flipped[15] = static_cast<char>(flipped[15] ^ 4);
  const std::string length = "$" + std::to_string(rdb.size()) + "\r\n";
  const std::string eof = "$EOF:" + kMark + "\r\n";
  for (const std::string& stream :
       {length + flipped, eof + flipped + kMark, eof + rdb + std::string(40, 'W'),
        "$" + std::to_string(rdb.size() - 1) + "\r\n" + rdb,
        "$" + std::to_string(rdb.size() + 1) + "\r\n" + rdb + "x", std::string("+what\r\n")}) {
    FakeRedis server(Sending(stream));
    Outcome outcome;
    ReadFrom(server.address(), &outcome);
    EXPECT_EQ(ExitCodeOf(outcome.result.status()), 10) << Render(outcome.result.status());
    EXPECT_EQ(CodeOf(outcome.result.status()), kSyncDamaged) << stream;
    EXPECT_TRUE(outcome.snapshot.entries().empty());
    EXPECT_EQ(server.CountOf("PSYNC"), 1);
  }
}

TEST(RedisStreamFault, ACutIsTriedThreeTimesAndNoMore) {
  const Bytes rdb = SmallRdb();
  const std::string whole = "$EOF:" + kMark + "\r\n" + rdb + kMark;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{20}, whole.size() - 41, whole.size() - 1}) {
    FakeRedis server(Sending(whole.substr(0, size) + kClose));
    Outcome outcome;
    ReadFrom(server.address(), &outcome);
    EXPECT_EQ(ExitCodeOf(outcome.result.status()), 10);
    EXPECT_EQ(CodeOf(outcome.result.status()), kSyncCut);
    EXPECT_THAT(HintOf(outcome.result.status()), HasSubstr("client-output-buffer-limit replica"));
    EXPECT_TRUE(outcome.snapshot.entries().empty());
    EXPECT_EQ(server.CountOf("PSYNC"), 3);
  }
}

TEST(RedisStreamFault, AStreamWithoutChecksumIsNoted) {
  Bytes rdb = SmallRdb();
  rdb.replace(rdb.size() - 8, 8, Bytes(8, '\0'));
  FakeRedis server(Sending("$" + std::to_string(rdb.size()) + "\r\n" + rdb));
  Outcome outcome;
  ReadFrom(server.address(), &outcome);
  ASSERT_TRUE(outcome.result.ok());
  ASSERT_EQ(outcome.result->notes.size(), 1u);
  EXPECT_THAT(outcome.result->notes[0], HasSubstr("unverified"));
}

TEST(RedisStreamFault, AFailedForkIsExplained) {
  FakeRedis server([](const Words& words) -> std::string {
    if (words[0] == "PSYNC") return "-ERR BGSAVE failed, replication can't continue\r\n" + kClose;
    return words[0] == "INFO" ? InfoText() : "+OK\r\n";
  });
  Outcome outcome;
  ReadFrom(server.address(), &outcome);
  EXPECT_EQ(ExitCodeOf(outcome.result.status()), 10);
  EXPECT_THAT(HintOf(outcome.result.status()), HasSubstr("overcommit_memory"));
}

TEST(RedisReadiness, WaitsForALoadingServerAndGivesUpInTime) {
  std::atomic<int> pings = 0;
  const auto sound = Sending("$" + std::to_string(SmallRdb().size()) + "\r\n" + SmallRdb());
  FakeRedis server([&](const Words& words) -> std::string {
    if (words[0] == "PING" && pings++ < 5)
      return "-LOADING Redis is loading the dataset in memory\r\n";
    return sound(words);
  });
  Outcome waited;
  ReadFrom(server.address(), &waited);
  EXPECT_TRUE(waited.result.ok()) << Render(waited.result.status());

  FakeRedis stuck([](const Words&) { return "-MASTERDOWN Link with MASTER is down\r\n"; });
  Outcome gave_up;
  ReadFrom(stuck.address(), &gave_up);
  EXPECT_EQ(ExitCodeOf(gave_up.result.status()), 10);
  EXPECT_GT(gave_up.clock.Monotonic(), absl::Minutes(9));
  EXPECT_LE(gave_up.clock.Monotonic(), absl::Minutes(10));
}

TEST(RedisReadiness, AFailoverWhileReadingIsTriedOnceMore) {
  const auto sound = Sending("$" + std::to_string(SmallRdb().size()) + "\r\n" + SmallRdb());
  for (const int failovers : {1, 99}) {
    std::atomic<int> infos = 0;
    FakeRedis server([&](const Words& words) -> std::string {
      // Every second INFO comes after the transfer.
      if (words[0] == "INFO") {
        const int number = infos++;
        return number % 2 == 1 && number / 2 < failovers ? InfoText("master", std::string(40, 'b'))
                                                         : InfoText();
      }
      return sound(words);
    });
    Outcome outcome;
    ReadFrom(server.address(), &outcome);
    EXPECT_EQ(outcome.result.ok(), failovers == 1) << Render(outcome.result.status());
    EXPECT_EQ(server.CountOf("PSYNC"), 2);
    EXPECT_EQ(ExitCodeOf(outcome.result.status()), failovers > 1 ? 10 : 0);
  }
}

TEST(RedisReadiness, OneShardOfAClusterIsRefused) {
  const auto slots = [](const std::string& other) {
    const std::string tail = "*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n";
    return "*2\r\n*3\r\n:0\r\n:100\r\n" + tail + Bulk("one") + "*3\r\n:101\r\n:16383\r\n" + tail +
           Bulk(other);
  };
  for (const std::string other : {"one", "two"}) {
    const auto sound = Sending("$" + std::to_string(SmallRdb().size()) + "\r\n" + SmallRdb());
    FakeRedis server([&](const Words& words) -> std::string {
      if (words[0] == "CLUSTER") return slots(other);
      if (words[0] == "INFO") {
        return Bulk("redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:1\r\nmaster_replid:" +
                    kId);
      }
      return sound(words);
    });
    Outcome outcome;
    ReadFrom(server.address(), &outcome);
    EXPECT_EQ(outcome.result.ok(), other == "one");
    if (other == "two") {
      EXPECT_THAT(MessageOf(outcome.result.status()), HasSubstr("2 shards"));
    }
  }
}

TEST(RedisRights, WrongAndMissingPasswords) {
  RedisServer server({"--requirepass", "right"});
  for (const std::string password : {"", "wrong-one"}) {
    RedisAddress address = test::AddressOf(server);
    address.password = password;
    Outcome outcome;
    ReadFrom(address, &outcome);
    EXPECT_EQ(ExitCodeOf(outcome.result.status()), 12) << Render(outcome.result.status());
    EXPECT_THAT(HintOf(outcome.result.status()), HasSubstr("ACL SETUSER"));
    EXPECT_THAT(Render(outcome.result.status()), testing::Not(HasSubstr("wrong-one")));
  }
  RedisAddress address = test::AddressOf(server);
  address.password = "right";
  Outcome outcome;
  ReadFrom(address, &outcome);
  EXPECT_TRUE(outcome.result.ok()) << Render(outcome.result.status());
  EXPECT_THAT(outcome.snapshot.ContentOf("config.json"), HasSubstr("\"requirepass\": \"right\""));
}

TEST(RedisRights, WithoutPsyncTheKeysAreReadOneByOne) {
  RedisServer server;
  test::FillServer(server, 10);
  server.Talk(
      {"ACL", "SETUSER", "holdfast", "on", ">secret", "~*", "+@all", "-psync", "-config", "-acl"});
  RedisAddress address = test::AddressOf(server);
  address.user = "holdfast";
  address.password = "secret";

  Outcome forced;
  ReadFrom(address, &forced, RedisOptions::Mode::kPsync);
  EXPECT_EQ(ExitCodeOf(forced.result.status()), 12);
  EXPECT_THAT(HintOf(forced.result.status()), HasSubstr("ACL SETUSER holdfast"));
  EXPECT_THAT(HintOf(forced.result.status()), HasSubstr("+psync"));

  Outcome fallback;
  ReadFrom(address, &fallback);
  ASSERT_TRUE(fallback.result.ok()) << Render(fallback.result.status());
  EXPECT_EQ(fallback.result->attributes.at("point_in_time"), "no");
  EXPECT_EQ(fallback.result->notes.size(), 3u);  // key by key, CONFIG, ACL
  EXPECT_EQ(fallback.snapshot.entries().count("scan/3.dump"), 1u);
  fallback.snapshot.Finish(*fallback.result, "redis");
  RedisServer target;
  ASSERT_TRUE(test::RestoreTo(target, fallback.snapshot).ok());
  EXPECT_EQ(test::DigestOf(target), test::DigestOf(server));

  server.Talk({"ACL", "SETUSER", "holdfast", "-dump"});
  Outcome refused;
  ReadFrom(address, &refused);
  EXPECT_EQ(ExitCodeOf(refused.result.status()), 12);
  EXPECT_TRUE(refused.snapshot.entries().empty());
}

TEST(RedisRights, TheGrantLineIsEnough) {
  RedisServer server;
  test::FillServer(server, 10);
  RedisConnection admin = test::Connected(server);
  std::vector<std::string> words;
  std::istringstream line(GrantLine("backup"));
  for (std::string word; line >> word;) words.push_back(word);
  ASSERT_TRUE(admin.Command({words.begin(), words.end()}).ok());
  RedisAddress address = test::AddressOf(server);
  address.user = "backup";
  address.password = "PASSWORD";
  for (const auto mode : {RedisOptions::Mode::kPsync, RedisOptions::Mode::kScan}) {
    Outcome outcome;
    ReadFrom(address, &outcome, mode);
    ASSERT_TRUE(outcome.result.ok()) << Render(outcome.result.status());
    EXPECT_LE(outcome.result->notes.size(), mode == RedisOptions::Mode::kScan ? 1u : 0u);
  }
}

TEST(RedisRights, AnAbsentServerIsUnreachable) {
  RedisAddress address;
  address.port = holdfast::test::FreePort();
  Outcome outcome;
  ReadFrom(address, &outcome);
  EXPECT_EQ(ExitCodeOf(outcome.result.status()), 8);
}

}  // namespace
}  // namespace holdfast::redis
