// Goal: whatever a Redis server holds comes back the same, as a file and in a running server,
//       however it was read: by replication in both forms, or key by key.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/contract/redis/round_trip.h"

namespace holdfast::redis {
namespace {

using holdfast::test::MemorySnapshot;
using holdfast::test::RedisServer;
using test::DigestOf;
using test::RestoreTo;
using test::TakeSnapshot;

std::string Flat(const Reply& reply) {
  std::string text = reply.text + "," + std::to_string(reply.integer);
  for (const Reply& element : reply.elements) text += "(" + Flat(element) + ")";
  return text;
}

// XINFO STREAM FULL as name → value, without what depends on memory layout.
std::map<std::string, std::string> StreamFacts(RedisConnection& connection, const char* stream) {
  std::map<std::string, std::string> facts;
  const Reply full = *connection.Command({"XINFO", "STREAM", stream, "FULL", "COUNT", "0"});
  for (std::size_t i = 0; i + 1 < full.elements.size(); i += 2) {
    const std::string& name = full.elements[i].text;
    if (name.substr(0, 10) != "radix-tree") {
      facts[std::string(stream) + " " + name] = Flat(full.elements[i + 1]);
    }
  }
  return facts;
}

// What DEBUG DIGEST leaves out: groups, pending entries, expiry moments, functions, key counts.
std::map<std::string, std::string> FactsOf(const RedisServer& server) {
  RedisConnection connection = test::Connected(server);
  std::map<std::string, std::string> facts;
  const Reply libraries = *connection.Command({"FUNCTION", "LIST", "WITHCODE"});
  for (const Reply& library : libraries.elements) {
    facts["library " + library.elements[1].text] = Flat(library);
  }
  for (const std::string database : {"0", "3", "15"}) {
    connection.Command({"SELECT", database}).IgnoreError();
    facts["size of " + database] = Flat(*connection.Command({"DBSIZE"}));
    for (const std::string key : {"expiring", "list:expiring"}) {
      facts["expiry of " + database + key] = Flat(*connection.Command({"PEXPIRETIME", key}));
    }
  }
  connection.Command({"SELECT", "0"}).IgnoreError();
  facts.merge(StreamFacts(connection, "stream"));
  facts.merge(StreamFacts(connection, "stream:empty"));
  return facts;
}

void ExpectSame(const std::map<std::string, std::string>& got,
                const std::map<std::string, std::string>& wanted) {
  EXPECT_EQ(got.size(), wanted.size());
  for (const auto& [name, value] : wanted) {
    const auto found = got.find(name);
    ASSERT_TRUE(found != got.end()) << name;
    EXPECT_TRUE(found->second == value)
        << name << ": " << found->second.substr(0, 200) << " != " << value.substr(0, 200);
  }
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
  const auto facts = FactsOf(source);
  EXPECT_GT(facts.size(), 20u);
  MemorySnapshot snapshot;
  ASSERT_NO_FATAL_FAILURE(TakeSnapshot(source, GetParam().mode, &snapshot));
  EXPECT_EQ(DigestOf(source), digest);

  {
    SCOPED_TRACE("into a server");
    RedisServer target;
    const auto report = RestoreTo(target, snapshot);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_TRUE(StatusOf(*report).ok());
    EXPECT_EQ(report->compared_what, "20,068 keys in 3 databases");
    EXPECT_EQ(DigestOf(target), digest);
    ExpectSame(FactsOf(target), facts);
  }
  {
    SCOPED_TRACE("as a file");
    RedisServer target;
    target.Stop();
    const auto report = RestoreTo(target.directory() + "/dump.rdb", snapshot);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(report->compared_what, "20,068 keys in 3 databases");
    target.Start();
    test::Connected(target);
    EXPECT_EQ(DigestOf(target), digest);
    ExpectSame(FactsOf(target), facts);
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
