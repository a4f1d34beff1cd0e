// Goal: the walker counts what an RDB holds however the bytes are cut, and never takes a damaged or
//       truncated one for whole.
#include "agent/source/redis/rdb_walker.h"

#include <gtest/gtest.h>

#include "agent/source/redis/crc64.h"
#include "agent/source/redis/rdb_format.h"
#include "common/base/error.h"
#include "common/env/file_system.h"
#include "common/format/wire.h"
#include "tests/contract/redis/redis_fixture.h"

namespace holdfast::redis {
namespace {

using holdfast::test::RedisServer;

Bytes DumpOf(const RedisServer& server) {
  HOLDFAST_CHECK(server.Talk({"SAVE"}) == "+OK");
  return RealFileSystem().ReadFile(server.directory() + "/dump.rdb").value();
}

Bytes Sealed(Bytes body) {
  Writer writer;
  writer.Raw(body);
  writer.U64(Crc64(0, body));
  return writer.Take();
}

absl::Status WalkInPieces(ByteView rdb, std::size_t piece, RdbWalker* walker) {
  for (std::size_t at = 0; at < rdb.size(); at += piece) {
    RETURN_IF_ERROR(walker->Feed(rdb.substr(at, piece)));
  }
  return walker->Finish();
}

TEST(Crc64Test, IsThatOfRedis) {
  EXPECT_EQ(Crc64(0, "123456789"), 0xe9c6d914c4b8d9caull);
  const Bytes text(1000, 'x');
  EXPECT_EQ(Crc64(Crc64(0, text.substr(0, 333)), text.substr(333)), Crc64(0, text));
}

TEST(RdbWalkerTest, CountsARealDumpInPiecesOfAnySize) {
  RedisServer server;
  test::FillServer(server, 300);
  const Bytes rdb = DumpOf(server);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7},
                                  std::size_t{8}, std::size_t{61}, std::size_t{4096}, rdb.size()}) {
    SCOPED_TRACE(piece);
    RdbWalker walker;
    ASSERT_TRUE(WalkInPieces(rdb, piece, &walker).ok());
    EXPECT_TRUE(walker.done() && walker.counted() && walker.checksum_present());
    EXPECT_EQ(walker.version(), 10);
    EXPECT_EQ(walker.function_count(), 2u);
    ASSERT_EQ(walker.databases().size(), 3u);
    EXPECT_EQ(walker.databases().at(0).keys, 37u);
    EXPECT_EQ(walker.databases().at(0).expires, 2u);
    EXPECT_EQ(walker.databases().at(3).keys, 330u);
    EXPECT_EQ(walker.databases().at(15).keys, 1u);
  }
}

TEST(RdbWalkerTest, ATruncatedDumpIsNeverWhole) {
  RedisServer server;
  RedisConnection connection = test::Connected(server);
  {
    test::Filler fill(connection);
    test::FillSmall(fill);
  }
  const Bytes rdb = DumpOf(server);
  for (std::size_t size = 0; size < rdb.size(); ++size) {
    RdbWalker walker;
    const absl::Status fed = walker.Feed(ByteView(rdb).substr(0, size));
    EXPECT_FALSE(fed.ok() && walker.Finish().ok()) << size;
  }
  RdbWalker longer;
  EXPECT_FALSE(WalkInPieces(rdb + "x", 4096, &longer).ok());
}

TEST(RdbWalkerTest, AFlippedBitIsFoundEverywhere) {
  RedisServer server;
  server.Talk({"SET", "key", "value"});
  server.Talk({"HSET", "hash", "field", "value"});
  const Bytes rdb = DumpOf(server);
  for (std::size_t at = 0; at < rdb.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = rdb;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      RdbWalker walker;
      const absl::Status fed = walker.Feed(damaged);
      EXPECT_FALSE(fed.ok() && walker.Finish().ok()) << at << "." << bit;
    }
  }
}

class Collector final : public RdbVisitor {
 public:
  absl::Status Visit(const RdbRecord& record) override {
    keys.emplace_back(record.key);
    bodies.emplace_back(record.body);
    expiries.push_back(record.expire_at_ms);
    return absl::OkStatus();
  }
  absl::Status VisitFunction(ByteView) override { return absl::OkStatus(); }
  std::vector<Bytes> keys;
  std::vector<Bytes> bodies;
  std::vector<std::int64_t> expiries;
};

TEST(RdbWalkerTest, HandsOutRecordsOfOldAndRareTypes) {
  Bytes body = "REDIS0010";
  const std::vector<Bytes> values = {
      Bytes("\x01\x02\x01"
            "a\xc0\x07",
            6),  // list: "a", 7
      Bytes("\x03\x02\x01"
            "m\x03"
            "1.5\x01n\xfe",
            11),  // sorted set, text scores
      Bytes("\x07\x81\0\0\0\0\0\0\0\x05\x02\x09\x03"
            "4444\x04"
            "88888888\x05\x02xy\0",
            31),
      Bytes("\x02\x00", 2),  // an empty loop
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    body += Bytes("\xfd\x01\0\0\0", 5) +
            "\xf8\x05"
            "\xf9\x02";  // expiry in seconds, idle, freq
    body.push_back(values[i][0]);
    AppendRdbString("key" + std::to_string(i), &body);
    body += values[i].substr(1);
  }
  body.push_back('\xff');
  const Bytes rdb = Sealed(body);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, rdb.size()}) {
    Collector collector;
    RdbWalker walker(&collector);
    const absl::Status status = WalkInPieces(rdb, piece, &walker);
    ASSERT_TRUE(status.ok()) << Render(status);
    EXPECT_EQ(collector.bodies, values);
    EXPECT_EQ(collector.keys, (std::vector<Bytes>{"key0", "key1", "key2", "key3"}));
    EXPECT_EQ(collector.expiries, std::vector<std::int64_t>(4, 1000));
  }
}

TEST(RdbWalkerTest, AnUnknownTypeEndsCountingButNotTheChecksum) {
  const Bytes rdb = Sealed(Bytes("REDIS0099\x63whatever\xff"));
  RdbWalker walker;
  EXPECT_TRUE(WalkInPieces(rdb, 3, &walker).ok());
  EXPECT_FALSE(walker.counted());
  EXPECT_EQ(walker.unknown_type(), 0x63);
  RdbWalker cut;
  EXPECT_FALSE(WalkInPieces(ByteView(rdb).substr(0, rdb.size() - 1), 3, &cut).ok());
}

TEST(RdbWalkerTest, AZeroChecksumIsNotPresent) {
  RdbWalker walker;
  EXPECT_TRUE(WalkInPieces(Bytes("REDIS0010\xff") + Bytes(8, '\0'), 4, &walker).ok());
  EXPECT_FALSE(walker.checksum_present());
}

TEST(RdbFormatTest, StringsInEveryEncoding) {
  EXPECT_EQ(DecodeRdbString(Bytes("\xc0\xf9", 2)), "-7");
  EXPECT_EQ(DecodeRdbString(Bytes("\xc1\x2c\x01", 3)), "300");
  EXPECT_EQ(DecodeRdbString(Bytes("\xc2\xff\xff\xff\x7f", 5)), "2147483647");
  // LZF: one literal, then a copy of 9 from distance 1.
  EXPECT_EQ(DecodeRdbString(Bytes("\xc3\x05\x0a\x00"
                                  "a\xe0\x00\x00",
                                  8)),
            Bytes(10, 'a'));
  EXPECT_EQ(DecodeRdbString(Bytes("\xc3\x05\x0b\x00"
                                  "a\xe0\x00\x00",
                                  8)),
            std::nullopt);
  EXPECT_EQ(DecodeRdbString(Bytes("\xc3\x04\x0a\x00"
                                  "a\xe0\x00",
                                  7)),
            std::nullopt);
  EXPECT_EQ(DecodeRdbString(Bytes("\x03"
                                  "ab",
                                  3)),
            std::nullopt);
  EXPECT_EQ(DecodeRdbString(""), std::nullopt);
  for (const std::size_t size : {0u, 63u, 64u, 16383u, 16384u, 70000u}) {
    Bytes encoded;
    AppendRdbString(Bytes(size, 'q'), &encoded);
    EXPECT_EQ(DecodeRdbString(encoded), Bytes(size, 'q'));
  }
}

TEST(RdbFormatTest, DumpPayloadsAreChecked) {
  Bytes payload = Bytes("\x00\x01x", 3);
  payload += DumpFooter(payload, 10);
  const auto parsed = ParseDumpPayload(payload);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->rdb_version, 10);
  EXPECT_EQ(parsed->body, Bytes("\x00\x01x", 3));
  payload[1] ^= 1;
  EXPECT_FALSE(ParseDumpPayload(payload).has_value());
  EXPECT_FALSE(ParseDumpPayload("short").has_value());
}

}  // namespace
}  // namespace holdfast::redis
