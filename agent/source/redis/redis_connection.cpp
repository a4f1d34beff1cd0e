#include "agent/source/redis/redis_connection.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr int kPollSliceMs = 200;  // how soon a stop is noticed
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(10);

Reply FromHiredis(const redisReply& from) {
  Reply to;
  switch (from.type) {
    case REDIS_REPLY_INTEGER:
      to.kind = Reply::Kind::kInteger;
      to.integer = from.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      to.kind = Reply::Kind::kText;
      to.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ERROR:
      to.kind = Reply::Kind::kError;
      to.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ARRAY:
      to.kind = Reply::Kind::kArray;
      to.elements.reserve(from.elements);
      for (std::size_t i = 0; i < from.elements; ++i) {
        to.elements.push_back(FromHiredis(*from.element[i]));
      }
      break;
    default:
      break;
  }
  return to;
}

timeval TimeoutOf(const RedisAddress& address) { return {std::max(1, address.timeout_s), 0}; }

}  // namespace

std::string RedisAddress::Name() const {
  return Escaped(unix_socket.empty() ? fmt::format("{}:{}", host, port) : unix_socket);
}

bool IsTemporary(const Reply& reply) {
  if (reply.kind != Reply::Kind::kError) return false;
  for (const char* word : {"LOADING", "MASTERDOWN", "NOMASTERLINK", "BUSY "}) {
    if (reply.Begins(word)) return true;
  }
  return false;
}

std::string GrantLine(std::string_view user) {
  return fmt::format(
      "ACL SETUSER {} on >PASSWORD ~* +ping +info +replconf +psync +sync +config|get +acl|list "
      "+function|list +function|dump +cluster|slots +select +scan +multi +exec +dump +pexpiretime "
      "+pttl +time",
      user.empty() ? "holdfast" : Escaped(user));
}

void RedisConnection::Close::operator()(redisContext* context) const { redisFree(context); }

RedisConnection::RedisConnection(std::unique_ptr<redisContext, Close> context,
                                 const RedisAddress& address)
    : context_(std::move(context)), address_(address) {}
RedisConnection::RedisConnection(RedisConnection&&) noexcept = default;
RedisConnection& RedisConnection::operator=(RedisConnection&&) noexcept = default;
RedisConnection::~RedisConnection() = default;

absl::StatusOr<RedisConnection> RedisConnection::Open(Clock& clock, const RedisAddress& address,
                                                      std::stop_token stop) {
  ASSIGN_OR_RETURN(RedisConnection connection, Connect(address));
  RETURN_IF_ERROR(connection.Authenticate());
  RETURN_IF_ERROR(connection.WaitUntilReady(clock, stop));
  return connection;
}

absl::StatusOr<RedisConnection> RedisConnection::Connect(const RedisAddress& address) {
  const timeval timeout = TimeoutOf(address);
  std::unique_ptr<redisContext, Close> context(
      address.unix_socket.empty()
          ? redisConnectWithTimeout(address.host.c_str(), address.port, timeout)
          : redisConnectUnixWithTimeout(address.unix_socket.c_str(), timeout));
  if (context == nullptr || context->err != 0) {
    return Error(ErrorKind::kUnreachable, 2201,
                 fmt::format("unable to reach redis '{}': {}", address.Name(),
                             context == nullptr ? "out of memory" : Escaped(context->errstr)),
                 "Check that redis-server runs and that address and port are right.");
  }
  redisSetTimeout(context.get(), timeout);
  if (address.unix_socket.empty()) redisEnableKeepAlive(context.get());
  return RedisConnection(std::move(context), address);
}

absl::Status RedisConnection::Authenticate() {
  if (address_.password.empty() && address_.user.empty()) return absl::OkStatus();
  // A server before 6 knows no users and refuses a second argument.
  if (address_.user.empty()) return Command({"AUTH", address_.password}).status();
  return Command({"AUTH", address_.user, address_.password}).status();
}

absl::Status RedisConnection::WaitUntilReady(Clock& clock, std::stop_token stop) {
  const absl::Duration end = clock.Monotonic() + address_.loading_wait;
  for (absl::Duration pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    Append({"PING"});
    ASSIGN_OR_RETURN(const Reply reply, Next());
    // An account that may do much but not PING is ready all the same.
    if (reply.kind != Reply::Kind::kError || reply.Begins("NOPERM")) return absl::OkStatus();
    if (!IsTemporary(reply)) return ErrorOf(reply, "PING");
    if (clock.Monotonic() + pause > end) {
      return Error(ErrorKind::kSource, 2205,
                   fmt::format("unable to read redis '{}': not ready after {}: {}", address_.Name(),
                               absl::FormatDuration(address_.loading_wait), Escaped(reply.text)),
                   "Wait until the server has loaded its data and has a link to its master.");
    }
    if (!clock.SleepFor(pause, stop)) {
      return Error(ErrorKind::kFailed, 2206,
                   fmt::format("unable to read redis '{}': stopped", address_.Name()));
    }
  }
}

absl::StatusOr<Reply> RedisConnection::Command(const std::vector<ByteView>& arguments) {
  Append(arguments);
  ASSIGN_OR_RETURN(Reply reply, Next());
  if (reply.kind == Reply::Kind::kError) return ErrorOf(reply, arguments.front());
  return reply;
}

void RedisConnection::Append(const std::vector<ByteView>& arguments) {
  std::vector<const char*> pointers;
  std::vector<std::size_t> sizes;
  for (const ByteView argument : arguments) {
    pointers.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(arguments.size()), pointers.data(),
                         sizes.data());
}

absl::StatusOr<Reply> RedisConnection::Next() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK || raw == nullptr) return Lost();
  const std::unique_ptr<redisReply, void (*)(void*)> owned(static_cast<redisReply*>(raw),
                                                           &freeReplyObject);
  return FromHiredis(*owned);
}

absl::Status RedisConnection::RawSend(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Lost();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> RedisConnection::RawReceive(char* buffer, std::size_t size,
                                                        std::stop_token stop) {
  const int slices = std::max(1, address_.timeout_s) * 1000 / kPollSliceMs;
  for (int slice = 0; slice < slices; ++slice) {
    const ssize_t got = ::recv(context_->fd, buffer, size, MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) {
      return Error(ErrorKind::kUnreachable, 2201,
                   fmt::format("unable to read redis '{}': the server closed the connection",
                               address_.Name()));
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return Lost();
    if (stop.stop_requested()) {
      return Error(ErrorKind::kFailed, 2206,
                   fmt::format("unable to read redis '{}': stopped", address_.Name()));
    }
    pollfd waiting{context_->fd, POLLIN, 0};
    ::poll(&waiting, 1, kPollSliceMs);
  }
  return Error(ErrorKind::kUnreachable, 2201,
               fmt::format("unable to read redis '{}': no byte for {} s", address_.Name(),
                           address_.timeout_s));
}

absl::Status RedisConnection::Lost() const {
  const std::string cause = context_->err != 0 && context_->err != REDIS_ERR_IO
                                ? std::string(context_->errstr)
                                : std::strerror(errno);
  return Error(ErrorKind::kUnreachable, 2201,
               fmt::format("unable to talk to redis '{}': {}", address_.Name(), Escaped(cause)));
}

absl::Status RedisConnection::ErrorOf(const Reply& reply, std::string_view command) const {
  const std::string text = fmt::format("unable to run {} on redis '{}': {}", Escaped(command),
                                       address_.Name(), Escaped(reply.text));
  if (reply.Begins("NOPERM")) {
    return Error(ErrorKind::kPermission, 2202, text,
                 fmt::format("Grant the rights: {}", GrantLine(address_.user)));
  }
  if (reply.Begins("NOAUTH") || reply.Begins("WRONGPASS") || reply.Begins("ERR invalid password") ||
      reply.Begins("ERR AUTH") || reply.Begins("DENIED")) {
    return Error(ErrorKind::kPermission, 2202, text,
                 fmt::format("Configure user and password of an account like this one: {}",
                             GrantLine(address_.user)));
  }
  return Error(ErrorKind::kSource, 2203, text);
}

}  // namespace holdfast::redis
