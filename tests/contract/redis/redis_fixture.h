// Data of every kind for a Redis server, and ways to compare two servers.
#pragma once

#include <string>
#include <vector>

#include "agent/source/redis/redis_connection.h"
#include "common/base/error.h"
#include "tests/support/redis_server.h"

namespace holdfast::redis::test {

inline RedisAddress AddressOf(const holdfast::test::RedisServer& server) {
  RedisAddress address;
  address.port = server.port();
  address.timeout_s = 10;
  address.loading_wait = absl::Seconds(20);
  return address;
}

inline RedisConnection Connected(const holdfast::test::RedisServer& server) {
  auto connection = RedisConnection::Open(RealClock(), AddressOf(server), {});
  HOLDFAST_CHECK(connection.ok());
  return *std::move(connection);
}

inline std::string Numbered(std::string_view name, int number) {
  return std::string(name) + std::to_string(number);
}

// Sends commands in batches and stops the program at the first error reply.
class Filler {
 public:
  explicit Filler(RedisConnection& connection) : connection_(connection) {}
  ~Filler() { Flush(); }

  void Run(const std::vector<ByteView>& words) {
    connection_.Append(words);
    if (++outstanding_ >= 500) Flush();
  }
  void Flush() {
    for (; outstanding_ > 0; --outstanding_) {
      const auto reply = connection_.Next();
      HOLDFAST_CHECK(reply.ok());
      if (reply->kind == Reply::Kind::kError) std::fprintf(stderr, "%s\n", reply->text.c_str());
      HOLDFAST_CHECK(reply->kind != Reply::Kind::kError);
    }
  }

 private:
  RedisConnection& connection_;
  int outstanding_ = 0;
};

inline void FillSmall(Filler& fill) {
  fill.Run({"SET", "text", "value"});
  fill.Run({"SET", "empty", ""});
  fill.Run({"SET", ByteView("bin\0\xff\r\n", 7), ByteView("\0\1\2\xfe\r\n", 6)});
  for (const char* number : {"1", "-7", "300", "-30000", "70000", "2147483647", "99999999999"}) {
    fill.Run({"SET", std::string("number:") + number, number});
    fill.Run({"SET", number, "a key that is stored as a number"});
  }
  fill.Run({"SET", "compressible", std::string(5000, 'x')});
  fill.Run({"SET", std::string(400, 'k'), "a key that is stored compressed"});
  fill.Run({"SETRANGE", "big", "100000", "end"});
  fill.Run({"SETBIT", "bitmap", "100001", "1"});
  fill.Run({"PFADD", "visitors", "a", "b", "c", "d"});
  fill.Run(
      {"GEOADD", "places", "13.361389", "38.115556", "Palermo", "15.087", "37.502", "Catania"});
  fill.Run({"SADD", "set:intset", "1", "2", "300000", "-5"});
  fill.Run({"SADD", "set:words", "alpha", "beta", "gamma"});
  fill.Run({"RPUSH", "list:small", "a", "b", "3", ""});
  fill.Run({"HSET", "hash:small", "f", "v", "g", "2"});
  fill.Run({"ZADD", "zset:small", "1.5", "a", "-inf", "b", "+inf", "c", "0.1", "d"});
  fill.Run({"SET", "expiring", "later", "PX", "86400000"});
  fill.Run({"RPUSH", "list:expiring", "x"});
  fill.Run({"EXPIRE", "list:expiring", "90000"});
}

inline void FillLarge(Filler& fill) {
  for (int i = 0; i < 3000; ++i) {
    const std::string item =
        Numbered("item:", i) + std::string(static_cast<std::size_t>(i % 90), 'p');
    fill.Run({"RPUSH", "list:large", item});
    fill.Run({"SADD", "set:large", item});
    fill.Run({"HSET", "hash:large", Numbered("field:", i), item});
    fill.Run({"ZADD", "zset:large", std::to_string(i * 0.37), item});
  }
  for (int i = 0; i < 700; ++i) fill.Run({"SADD", "set:large-intset", std::to_string(i * 1000003)});
  fill.Run({"RPUSH", "list:large", std::string(20000, 'L')});  // a node of its own
}

inline void FillStreams(Filler& fill) {
  for (int i = 1; i <= 500; ++i) {
    fill.Run({"XADD", "stream", Numbered("", i) + "-1", "sensor", Numbered("s", i % 7), "value",
              std::to_string(i)});
  }
  fill.Run({"XDEL", "stream", "17-1"});
  fill.Run({"XGROUP", "CREATE", "stream", "workers", "0"});
  fill.Run({"XGROUP", "CREATE", "stream", "idle", "$"});
  fill.Run({"XREADGROUP", "GROUP", "workers", "one", "COUNT", "100", "STREAMS", "stream", ">"});
  fill.Run({"XREADGROUP", "GROUP", "workers", "two", "COUNT", "50", "STREAMS", "stream", ">"});
  fill.Run({"XACK", "stream", "workers", "3-1", "4-1"});
  fill.Run({"XADD", "stream:empty", "1-1", "a", "b"});
  fill.Run({"XTRIM", "stream:empty", "MAXLEN", "0"});
  fill.Run({"XGROUP", "CREATE", "stream:empty", "readers", "$"});
}

// Every type, several databases, functions, and `bulk` simple keys.
inline void FillServer(const holdfast::test::RedisServer& server, int bulk) {
  RedisConnection connection = Connected(server);
  Filler fill(connection);
  FillSmall(fill);
  FillLarge(fill);
  FillStreams(fill);
  fill.Run({"SELECT", "3"});
  FillSmall(fill);
  for (int i = 0; i < bulk; ++i) {
    fill.Run({"SET", Numbered("bulk:", i), Numbered("value of the key ", i * 7919)});
  }
  fill.Run({"SELECT", "15"});
  fill.Run({"SET", "last", "database"});
  fill.Run({"FUNCTION", "LOAD",
            "#!lua name=first\nredis.register_function('one', function() return 1 end)"});
  fill.Run({"FUNCTION", "LOAD",
            "#!lua name=second\nredis.register_function('two', function() return 2 end)"});
}

inline std::string DigestOf(const holdfast::test::RedisServer& server) {
  return server.Talk({"DEBUG", "DIGEST"});
}

}  // namespace holdfast::redis::test
