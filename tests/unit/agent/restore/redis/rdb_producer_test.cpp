// Goal: scanned keys become an RDB that holds the same records, and damaged payloads are refused.
#include "agent/restore/redis/rdb_producer.h"

#include <gtest/gtest.h>

#include "agent/restore/redis/server_loader.h"
#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/scan_format.h"
#include "common/base/error.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::restore {
namespace {

using holdfast::test::MemorySnapshot;

Bytes PayloadOf(Bytes body, int version = 10) {
  const Bytes footer = redis::DumpFooter(body, version);
  return body + footer;
}

void AddEntry(MemorySnapshot* snapshot, const std::string& path, const Bytes& content,
              std::map<std::string, std::string> attributes) {
  const auto lane = snapshot->OpenLane();
  ASSERT_TRUE(lane->Begin().ok());
  ASSERT_TRUE(lane->Write(content).ok());
  Entry entry;
  entry.path = path;
  entry.attributes = std::move(attributes);
  ASSERT_TRUE(lane->End(std::move(entry)).ok());
}

void FinishScan(MemorySnapshot* snapshot) {
  source::SourceResult result;
  result.attributes = {{"point_in_time", "no"}, {"rdb_version", "10"}};
  snapshot->Finish(result, "redis");
}

absl::StatusOr<Bytes> Produce(const MemorySnapshot& snapshot) {
  ASSIGN_OR_RETURN(const RedisContents contents, FindRedisContents(snapshot));
  Bytes rdb;
  RETURN_IF_ERROR(ProduceRdb(snapshot, contents, [&](ByteView piece) {
    rdb.append(piece);
    return absl::OkStatus();
  }));
  return rdb;
}

class Collector final : public redis::RdbVisitor {
 public:
  absl::Status Visit(const redis::RdbRecord& record) override {
    lines.push_back(std::to_string(record.database) + ":" + Bytes(record.key) + "@" +
                    std::to_string(record.expire_at_ms) + "=" + ToHex(record.body));
    return absl::OkStatus();
  }
  absl::Status VisitFunction(ByteView encoded) override {
    lines.push_back("function " + ToHex(encoded));
    return absl::OkStatus();
  }
  std::vector<std::string> lines;
};

TEST(RdbProducerTest, ComposesAnRdbOfScannedKeys) {
  MemorySnapshot snapshot;
  AddEntry(&snapshot, "scan/0.dump",
           redis::ScanHeader() +
               redis::EncodeScannedKey({"a", -1, PayloadOf(Bytes("\x00\x01x", 3))}) +
               redis::EncodeScannedKey({"b", 1700000000123, PayloadOf(Bytes("\x00\x01y", 3))}) +
               redis::ScanEnd(2),
           {{"keys.0", "2"}, {"expires.0", "1"}});
  AddEntry(&snapshot, "scan/12.dump",
           redis::ScanHeader() +
               redis::EncodeScannedKey({"c", -1, PayloadOf(Bytes("\x00\x01z", 3), 9)}) +
               redis::ScanEnd(1),
           {{"keys.12", "1"}, {"expires.12", "0"}});
  FinishScan(&snapshot);
  const auto rdb = Produce(snapshot);
  ASSERT_TRUE(rdb.ok()) << Render(rdb.status());
  Collector collector;
  redis::RdbWalker walker(&collector);
  ASSERT_TRUE(walker.Feed(*rdb).ok());
  ASSERT_TRUE(walker.Finish().ok());
  EXPECT_TRUE(walker.checksum_present());
  EXPECT_EQ(collector.lines, (std::vector<std::string>{"0:a@-1=000178", "0:b@1700000000123=000179",
                                                       "12:c@-1=00017a"}));
  EXPECT_EQ(walker.databases().at(0).expires, 1u);
}

TEST(RdbProducerTest, RefusesDamagedAndNewerPayloads) {
  Bytes damaged = PayloadOf(Bytes("\x00\x01x", 3));
  damaged[2] = 'y';
  for (const Bytes& payload : {damaged, PayloadOf(Bytes("\x00\x01x", 3), 11), Bytes()}) {
    MemorySnapshot snapshot;
    AddEntry(&snapshot, "scan/0.dump",
             redis::ScanHeader() + redis::EncodeScannedKey({"a", -1, payload}) + redis::ScanEnd(1),
             {{"keys.0", "1"}, {"expires.0", "0"}});
    FinishScan(&snapshot);
    EXPECT_EQ(ExitCodeOf(Produce(snapshot).status()), 5);
  }
}

TEST(RdbProducerTest, RefusesACutScanAndASnapshotOfSomethingElse) {
  MemorySnapshot cut;
  AddEntry(&cut, "scan/0.dump", redis::ScanHeader(), {});
  FinishScan(&cut);
  EXPECT_EQ(ExitCodeOf(Produce(cut).status()), 5);

  MemorySnapshot other;
  AddEntry(&other, "notes.txt", "x", {});
  other.Finish({}, "files");
  EXPECT_EQ(ExitCodeOf(Produce(other).status()), 6);
}

TEST(RdbProducerTest, DescribesKeys) {
  EXPECT_EQ(DescribeKeys(52114, 2), "52,114 keys in 2 databases");
  EXPECT_EQ(DescribeKeys(1, 1), "1 key in 1 database");
  EXPECT_EQ(DescribeKeys(1234567, 0), "1,234,567 keys in 0 databases");
}

}  // namespace
}  // namespace holdfast::restore
