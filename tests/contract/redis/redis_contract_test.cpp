// Goal: whatever a Redis server holds comes back the same, as a file and in a running server,
//       however it was read: by replication in both forms, or key by key.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/restore/redis/redis_sink.h"
#include "agent/source/redis/redis_source.h"
#include "tests/contract/redis/redis_fixture.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::redis {
namespace {

using holdfast::test::MemorySnapshot;
using holdfast::test::RedisServer;
using holdfast::test::TempDir;
using test::AddressOf;
using test::DigestOf;

class NoProgress final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

void TakeSnapshot(const RedisServer& server, RedisOptions::Mode mode, MemorySnapshot* snapshot) {
  RedisSource source(RealEnv(), {AddressOf(server), mode});
  ASSERT_TRUE(source.Check({}).ok());
  const auto result = source.Read(*snapshot, {});
  ASSERT_TRUE(result.ok()) << Render(result.status());
  snapshot->Finish(*result, source.kind());
}

absl::StatusOr<restore::RestoreReport> RestoreTo(const RedisServer& server,
                                                 const MemorySnapshot& snapshot,
                                                 bool apply_acl = false) {
  NoProgress progress;
  restore::RedisRestoreOptions options;
  options.into_server = true;
  options.server = AddressOf(server);
  options.apply_acl = apply_acl;
  return restore::RestoreRedis(RealEnv(), snapshot, options, progress, {});
}

absl::StatusOr<restore::RestoreReport> RestoreTo(const std::string& file,
                                                 const MemorySnapshot& snapshot) {
  NoProgress progress;
  restore::RedisRestoreOptions options;
  options.rdb_file = file;
  return restore::RestoreRedis(RealEnv(), snapshot, options, progress, {});
}

std::string Flat(const Reply& reply) {
  std::string text = reply.text + "," + std::to_string(reply.integer);
  for (const Reply& element : reply.elements) text += "(" + Flat(element) + ")";
  return text;
}

// What DEBUG DIGEST leaves out: groups, pending entries, expiry moments, functions, key counts.
std::string FactsOf(const RedisServer& server) {
  RedisConnection connection = test::Connected(server);
  std::string facts = Flat(*connection.Command({"FUNCTION", "DUMP"}));
  for (const char* database : {"0", "3", "15"}) {
    facts += Flat(*connection.Command({"SELECT", database}));
    facts += Flat(*connection.Command({"DBSIZE"}));
    facts += Flat(*connection.Command({"PEXPIRETIME", "expiring"}));
    facts += Flat(*connection.Command({"PEXPIRETIME", "list:expiring"}));
  }
  connection.Command({"SELECT", "0"}).IgnoreError();
  for (const char* stream : {"stream", "stream:empty"}) {
    facts += Flat(*connection.Command({"XINFO", "STREAM", stream, "FULL", "COUNT", "0"}));
  }
  return facts;
}

struct Way {
  const char* name;
  std::vector<std::string> server;
  RedisOptions::Mode mode;
};

class RedisContract : public testing::TestWithParam<Way> {};

TEST_P(RedisContract, EverythingComesBack) {
  RedisServer source(GetParam().server);
  test::FillServer(source, 20'000);
  const std::string digest = DigestOf(source);
  const std::string facts = FactsOf(source);
  MemorySnapshot snapshot;
  ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source, GetParam().mode, &snapshot));
  EXPECT_EQ(DigestOf(source), digest);

  {
    SCOPED_TRACE("into a server");
    RedisServer target;
    const auto report = RestoreTo(target, snapshot);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_TRUE(StatusOf(*report).ok());
    EXPECT_EQ(report->compared_what, "20,072 keys in 3 databases");
    EXPECT_EQ(DigestOf(target), digest);
    EXPECT_EQ(FactsOf(target), facts);
  }
  {
    SCOPED_TRACE("as a file");
    RedisServer target;
    target.Stop();
    const auto report = RestoreTo(target.directory() + "/dump.rdb", snapshot);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(report->compared_what, "20,072 keys in 3 databases");
    target.Start();
    test::Connected(target);
    EXPECT_EQ(DigestOf(target), digest);
    EXPECT_EQ(FactsOf(target), facts);
  }
}

TEST_P(RedisContract, AnEmptyServerIsASnapshotToo) {
  RedisServer source(GetParam().server);
  MemorySnapshot snapshot;
  ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source, GetParam().mode, &snapshot));
  RedisServer target;
  const auto into_server = RestoreTo(target, snapshot);
  ASSERT_TRUE(into_server.ok()) << Render(into_server.status());
  EXPECT_EQ(into_server->compared_what, "0 keys in 0 databases");
  target.Stop();
  const auto into_file = RestoreTo(target.directory() + "/dump.rdb", snapshot);
  ASSERT_TRUE(into_file.ok()) << Render(into_file.status());
  target.Start();
  EXPECT_EQ(DigestOf(target), DigestOf(source));
}

INSTANTIATE_TEST_SUITE_P(
    Ways, RedisContract,
    testing::Values(Way{"disk", {"--repl-diskless-sync", "no"}, RedisOptions::Mode::kPsync},
                    Way{"diskless", {"--repl-diskless-sync", "yes"}, RedisOptions::Mode::kPsync},
                    Way{"uncompressed", {"--rdbcompression", "no"}, RedisOptions::Mode::kPsync},
                    Way{"scan", {}, RedisOptions::Mode::kScan}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace holdfast::redis
