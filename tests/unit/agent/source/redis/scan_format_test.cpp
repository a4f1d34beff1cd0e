// Goal: scanned keys come back however the bytes are cut, and a damaged stream is refused.
#include "agent/source/redis/scan_format.h"

#include <gtest/gtest.h>

#include <vector>

#include "agent/source/redis/server_facts.h"
#include "common/base/error.h"

namespace holdfast::redis {
namespace {

Bytes Stream() {
  return ScanHeader() + EncodeScannedKey({"a", -1, "payload"}) +
         EncodeScannedKey({ByteView("b\0", 2), 1234567890123, ""}) + ScanEnd(2);
}

absl::Status Decode(ByteView bytes, std::size_t piece, std::vector<Bytes>* seen) {
  ScanDecoder decoder;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    RETURN_IF_ERROR(decoder.Feed(bytes.substr(at, piece), [&](const ScannedKey& key) {
      seen->push_back(Bytes(key.key) + "=" + Bytes(key.payload) + "@" +
                      std::to_string(key.expire_at_ms));
      return absl::OkStatus();
    }));
  }
  return decoder.Finish();
}

TEST(ScanFormatTest, RoundTripsInPiecesOfAnySize) {
  for (std::size_t piece = 1; piece <= Stream().size(); ++piece) {
    std::vector<Bytes> seen;
    ASSERT_TRUE(Decode(Stream(), piece, &seen).ok());
    EXPECT_EQ(seen, (std::vector<Bytes>{"a=payload@-1", Bytes("b\0=@1234567890123", 17)}));
  }
}

TEST(ScanFormatTest, RefusesTruncationSurplusAndForeignBytes) {
  std::vector<Bytes> seen;
  for (std::size_t size = 0; size < Stream().size(); ++size) {
    EXPECT_FALSE(Decode(Stream().substr(0, size), 7, &seen).ok()) << size;
  }
  EXPECT_FALSE(Decode(Stream() + "e", 7, &seen).ok());
  EXPECT_FALSE(Decode(ScanHeader() + ScanEnd(1), 7, &seen).ok());
  EXPECT_FALSE(Decode(ScanHeader() + "z", 7, &seen).ok());
  EXPECT_FALSE(Decode("HFWRONG\n", 7, &seen).ok());
}

TEST(ServerFactsTest, ReadsInfo) {
  const ServerInfo info = ParseInfo(
      "# Server\r\nredis_version:7.0.15\r\nrole:master\r\n# Keyspace\r\n"
      "db0:keys=12,expires=3,avg_ttl=5\r\ndb15:keys=1,expires=0,avg_ttl=0\r\n");
  EXPECT_EQ(info.major_version(), 7);
  EXPECT_EQ(info.role(), "master");
  ASSERT_EQ(info.databases().size(), 2u);
  EXPECT_EQ(info.databases().at(0).keys, 12u);
  EXPECT_EQ(info.databases().at(0).expires, 3u);
}

TEST(ServerFactsTest, KnowsRdbVersions) {
  EXPECT_EQ(NewestRdbVersion("2.8.24"), 6);
  EXPECT_EQ(NewestRdbVersion("6.2.14"), 9);
  EXPECT_EQ(NewestRdbVersion("7.0.15"), 10);
  EXPECT_EQ(NewestRdbVersion("7.2.4"), 11);
  EXPECT_EQ(NewestRdbVersion("8.0.1"), 12);
  EXPECT_EQ(NewestRdbVersion("nonsense"), 0);
}

TEST(ServerFactsTest, RefusesADocumentThatIsNone) {
  EXPECT_EQ(ExitCodeOf(ParseConfig("not json").status()), 5);
  EXPECT_EQ(ExitCodeOf(ParseConfig(R"({"functions":{"dump_base64":"***"}})").status()), 5);
  const auto config = ParseConfig(R"({"config":{"maxmemory":"1"},"acl":["user x on"]})");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->settings.at("maxmemory"), "1");
  EXPECT_EQ(config->acl_lines, std::vector<std::string>{"user x on"});
}

}  // namespace
}  // namespace holdfast::redis
