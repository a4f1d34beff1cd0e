// One connection to a Redis server, with every failure turned into a Status.
//
// Hides:      hiredis, AUTH, the server's error words, waiting while it loads its data.
// Invariants: I1  The password is never part of a message.
//             I2  After kUnreachable the connection is of no more use.
// Threading:  one thread at a time. Calls block for at most the timeout; Raw calls notice `stop`.
// Errors:     kUnreachable 2201 (network), kPermission 2202 (NOAUTH, WRONGPASS, NOPERM, with the
//             command that grants the right), kSource 2203 (any other error reply; the message has
//             the server's words). Without TLS: put a tunnel before a server that demands it.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "common/env/clock.h"

struct redisContext;

namespace holdfast::redis {

struct RedisAddress {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string unix_socket;  // used instead of host and port when not empty
  std::string user;         // empty: default
  std::string password;     // given by the caller, never logged
  int timeout_s = 60;       // longest silence of the server that is accepted
  absl::Duration loading_wait = absl::Minutes(10);

  std::string Name() const;  // for messages: "127.0.0.1:6379"
};

struct Reply {
  enum class Kind { kNil, kInteger, kText, kArray, kError };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  Bytes text;  // kText, kError
  std::vector<Reply> elements;

  bool Begins(std::string_view word) const { return text.compare(0, word.size(), word) == 0; }
};

class RedisConnection {
 public:
  // Connects, authenticates, and waits while the server is LOADING or without its master, with
  // growing pauses up to loading_wait (kSource 2205 then).
  static absl::StatusOr<RedisConnection> Open(Clock& clock, const RedisAddress& address,
                                              std::stop_token stop);
  RedisConnection(RedisConnection&&) noexcept;
  RedisConnection& operator=(RedisConnection&&) noexcept;
  ~RedisConnection();

  // The reply; an error reply becomes a Status.
  absl::StatusOr<Reply> Command(const std::vector<ByteView>& arguments);
  // Pipelining: Append any number, then one Next for each, in order; error replies are replies.
  void Append(const std::vector<ByteView>& arguments);
  absl::StatusOr<Reply> Next();

  // The bytes below the protocol, for the replication stream. No reply may be outstanding.
  absl::Status RawSend(ByteView bytes);
  // At least one byte; kUnreachable when the server closed or was silent for the timeout.
  absl::StatusOr<std::size_t> RawReceive(char* buffer, std::size_t size, std::stop_token stop);

  // The Status for an error reply to `command`.
  absl::Status ErrorOf(const Reply& reply, std::string_view command) const;
  const RedisAddress& address() const { return address_; }

 private:
  struct Close {
    void operator()(redisContext* context) const;
  };
  RedisConnection(std::unique_ptr<redisContext, Close> context, const RedisAddress& address);
  static absl::StatusOr<RedisConnection> Connect(const RedisAddress& address);
  absl::Status Authenticate();
  absl::Status WaitUntilReady(Clock& clock, std::stop_token stop);
  absl::Status Lost() const;

  std::unique_ptr<redisContext, Close> context_;
  RedisAddress address_;
};

// An error reply that passes by itself: the server loads its data, or has no link to its master.
bool IsTemporary(const Reply& reply);
// The command an administrator runs so that `user` may be used for backups.
std::string GrantLine(std::string_view user);

}  // namespace holdfast::redis
