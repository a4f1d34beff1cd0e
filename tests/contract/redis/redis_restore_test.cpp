// Goal: a restore of Redis changes nothing it should not: it refuses what is in use or too old,
// leaves
//       nothing behind when it fails, and counts keys whose time has passed (fault row 79).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "agent/source/redis/crc64.h"
#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/contract/redis/round_trip.h"

namespace holdfast::redis {
namespace {

using holdfast::test::MemorySnapshot;
using holdfast::test::RedisServer;
using holdfast::test::TempDir;
using test::DigestOf;
using test::RestoreTo;
using test::TakeSnapshot;
using testing::HasSubstr;

const std::string kEmptyDigest(40, '0');

std::string DigestText(const RedisServer& server) {
  const std::string digest = DigestOf(server);
  return digest.front() == '+' ? digest.substr(1) : digest;
}

class RedisRestore : public testing::Test {
 protected:
  void SetUp() override {
    test::FillServer(source_, 2000);
    ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source_, RedisOptions::Mode::kPsync, &snapshot_));
  }

  RedisServer source_;
  RedisServer target_;
  MemorySnapshot snapshot_;
};

TEST_F(RedisRestore, RefusesAServerThatHoldsKeys) {
  target_.Talk({"SET", "precious", "data"});
  const std::string before = DigestText(target_);
  const auto report = RestoreTo(target_, snapshot_);
  EXPECT_EQ(ExitCodeOf(report.status()), 4) << Render(report.status());
  EXPECT_EQ(DigestText(target_), before);
}

TEST_F(RedisRestore, RefusesAServerThatHoldsFunctions) {
  target_.Talk({"FUNCTION", "LOAD",
                "#!lua name=other\nredis.register_function('o', function() return 1 end)"});
  EXPECT_EQ(ExitCodeOf(RestoreTo(target_, snapshot_).status()), 4);
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
}

TEST_F(RedisRestore, RefusesAReplica) {
  const std::string before = DigestText(source_);
  target_.Talk({"REPLICAOF", "127.0.0.1", std::to_string(source_.port())});
  EXPECT_EQ(ExitCodeOf(RestoreTo(target_, snapshot_).status()), 4);
  EXPECT_EQ(DigestText(source_), before);
  target_.Talk({"REPLICAOF", "NO", "ONE"});
}

TEST_F(RedisRestore, RefusesFewerDatabasesThanNeeded) {
  RedisServer small({"--databases", "4"});
  EXPECT_EQ(ExitCodeOf(RestoreTo(small, snapshot_).status()), 4);
  EXPECT_EQ(DigestText(small), kEmptyDigest);
}

TEST_F(RedisRestore, RefusesAnRdbNewerThanTheServer) {
  Bytes rdb = snapshot_.ContentOf("dump.rdb");
  rdb.replace(5, 4, "0099");
  snapshot_.SetContent("dump.rdb", rdb);
  const auto report = RestoreTo(target_, snapshot_);
  EXPECT_EQ(ExitCodeOf(report.status()), 4) << Render(report.status());
  EXPECT_THAT(MessageOf(report.status()), HasSubstr("version 99"));
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
}

TEST_F(RedisRestore, RefusesAnExistingFile) {
  TempDir directory;
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory / "dump.rdb", "mine").ok());
  EXPECT_EQ(ExitCodeOf(RestoreTo(directory / "dump.rdb", snapshot_).status()), 4);
  EXPECT_EQ(*RealFileSystem().ReadFile(directory / "dump.rdb"), "mine");
}

TEST_F(RedisRestore, AFailureLeavesNothingBehind) {
  snapshot_.FailReadOf("dump.rdb");
  TempDir directory;
  EXPECT_EQ(ExitCodeOf(RestoreTo(directory / "dump.rdb", snapshot_).status()), 5);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ(ExitCodeOf(RestoreTo(target_, snapshot_).status()), 5);
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
}

TEST_F(RedisRestore, ADamagedRdbLeavesNothingBehind) {
  Bytes rdb = snapshot_.ContentOf("dump.rdb");
  rdb.back() = static_cast<char>(rdb.back() ^ 1);  // all records are read before it shows
  snapshot_.SetContent("dump.rdb", rdb);
  TempDir directory;
  EXPECT_EQ(ExitCodeOf(RestoreTo(directory / "dump.rdb", snapshot_).status()), 5);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ(ExitCodeOf(RestoreTo(target_, snapshot_).status()), 5);
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
}

TEST_F(RedisRestore, CountsThatDifferFromTheManifestAreRefused) {
  snapshot_.mutable_entries().at("dump.rdb").attributes["keys.3"] = "1";
  TempDir directory;
  EXPECT_EQ(ExitCodeOf(RestoreTo(directory / "dump.rdb", snapshot_).status()), 5);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_EQ(ExitCodeOf(RestoreTo(target_, snapshot_).status()), 5);
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
  EXPECT_EQ(target_.Talk({"FUNCTION", "LIST"}), "*0");
}

TEST_F(RedisRestore, AServerThatRunsFullIsEmptiedAgain) {
  target_.Talk({"CONFIG", "SET", "maxmemory", "1500000"});
  const auto report = RestoreTo(target_, snapshot_);
  EXPECT_EQ(ExitCodeOf(report.status()), 10);
  EXPECT_THAT(HintOf(report.status()), HasSubstr("maxmemory"));
  EXPECT_EQ(DigestText(target_), kEmptyDigest);
}

TEST(RedisExpiry, KeysWhoseTimeHasPassedAreCounted) {
  RedisServer source;
  // Expired keys stay in the RDB as long as nothing removes them.
  source.Talk({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
  for (int i = 0; i < 50; ++i) source.Talk({"SET", test::Numbered("short:", i), "x", "PX", "1"});
  for (int i = 0; i < 30; ++i) source.Talk({"SET", test::Numbered("long:", i), "x", "EX", "9999"});
  MemorySnapshot snapshot;
  ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source, RedisOptions::Mode::kPsync, &snapshot));
  EXPECT_EQ(snapshot.Find("dump.rdb")->attributes.at("expires.0"), "80");
  RealClock().SleepFor(absl::Milliseconds(1100), {});
  RedisServer target;
  const auto report = RestoreTo(target, snapshot);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(report->compared_what, "30 keys in 1 database");
  ASSERT_FALSE(report->warnings.empty());
  EXPECT_THAT(report->warnings[0], HasSubstr("50 keys are not there"));
  EXPECT_EQ(target.Talk({"DBSIZE"}), ":30");
}

TEST(RedisAccounts, AreSetUpOnlyWhenAskedFor) {
  RedisServer source;
  source.Talk({"SET", "k", "v"});
  source.Talk({"ACL", "SETUSER", "reader", "on", ">pass", "~a:*", "+get", "(~b:* +set)"});
  MemorySnapshot snapshot;
  ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source, RedisOptions::Mode::kPsync, &snapshot));
  for (const bool apply : {false, true}) {
    RedisServer target;
    ASSERT_TRUE(RestoreTo(target, snapshot, apply).ok());
    RedisConnection connection = test::Connected(target);
    const Reply users = *connection.Command({"ACL", "LIST"});
    EXPECT_EQ(users.elements.size(), apply ? 2u : 1u);
    RedisAddress address = test::AddressOf(target);
    address.user = "reader";
    address.password = "pass";
    EXPECT_EQ(RedisConnection::Open(RealClock(), address, {}).ok(), apply);
  }
}

TEST(RedisOptionsTest, ExactlyOneTarget) {
  MemorySnapshot snapshot;
  test::NoProgress progress;
  restore::RedisRestoreOptions options;
  EXPECT_EQ(ExitCodeOf(restore::RestoreRedis(RealEnv(), snapshot, options, progress, {}).status()),
            2);
  options.rdb_file = "/nowhere/x";
  EXPECT_EQ(ExitCodeOf(restore::RestoreRedis(RealEnv(), snapshot, options, progress, {}).status()),
            6);
}

// A replica connection that the server itself cuts in the middle (fault row 76, on a real server).
TEST(RedisCut, AKilledReplicaConnectionIsReadAgain) {
  RedisServer source({"--repl-diskless-sync", "no"});
  {
    RedisConnection connection = test::Connected(source);
    test::Filler fill(connection);
    const std::string value(1 << 20, 'v');
    for (int i = 0; i < 24; ++i) fill.Run({"SETRANGE", test::Numbered("big:", i), "0", value});
  }
  source.Talk({"CONFIG", "SET", "rdbcompression", "no"});

  // A lane that lets the server kill the replica after the first megabyte of the first attempt.
  class KillingSnapshot final : public source::SnapshotBuilder {
   public:
    KillingSnapshot(MemorySnapshot& inner, const RedisServer& server)
        : inner_(inner), server_(server) {}
    std::unique_ptr<source::ContentLane> OpenLane() override { return inner_.OpenLane(); }
    absl::Status Add(Entry entry) override { return inner_.Add(std::move(entry)); }
    std::optional<Entry> Previous(std::string_view) override { return std::nullopt; }
    absl::Status Reuse(Entry, const Entry&) override { return absl::OkStatus(); }
    void Skip(std::string path, std::string reason) override { inner_.Skip(path, reason); }
    void ExpectTotal(std::uint64_t, std::uint64_t) override {
      if (kills++ == 0) server_.Talk({"CLIENT", "KILL", "TYPE", "replica"});
    }
    void Progressed(std::uint64_t, std::uint64_t) override {}
    int kills = 0;

   private:
    MemorySnapshot& inner_;
    const RedisServer& server_;
  };
  MemorySnapshot snapshot;
  KillingSnapshot killing(snapshot, source);
  RedisSource reader(RealEnv(), {test::AddressOf(source), RedisOptions::Mode::kPsync});
  const auto result = reader.Read(killing, {});
  ASSERT_TRUE(result.ok()) << Render(result.status());
  EXPECT_EQ(killing.kills, 2);
  snapshot.Finish(*result, "redis");
  RedisServer target;
  ASSERT_TRUE(RestoreTo(target, snapshot).ok());
  EXPECT_EQ(DigestText(target), DigestText(source));
}

}  // namespace
}  // namespace holdfast::redis
