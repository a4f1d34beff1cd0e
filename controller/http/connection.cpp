#include "controller/http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace holdfast::http {
namespace {

constexpr absl::Duration kFarewell = absl::Milliseconds(200);
constexpr std::size_t kSentTogetherBytes = 16 << 10;

using NameOf = int (*)(int, sockaddr*, socklen_t*);

void ReadAddress(NameOf name_of, int fd, std::string& ip, int& port) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (name_of(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return;
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &storage, sizeof address);
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    port = ntohs(address.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &storage, sizeof address);
    ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    port = ntohs(address.sin6_port);
  }
  ip = text;
}

}  // namespace

Connection::Connection(int fd, SSL_CTX* tls, Clock& clock, absl::Duration deadline)
    : fd_(fd), clock_(clock), deadline_(deadline) {
  if (tls == nullptr) return;
  tls_.reset(SSL_new(tls));
  if (tls_) SSL_set_fd(tls_.get(), fd_);
}

Connection::~Connection() = default;

bool Connection::WaitFor(short events) {
  const absl::Duration left = deadline_ - clock_.Monotonic();
  if (left <= absl::ZeroDuration()) return false;
  pollfd wait{fd_, events, 0};
  const int milliseconds = static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
  return ::poll(&wait, 1, milliseconds) > 0;
}

bool Connection::TlsMayGoOn(int result) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return WaitFor(POLLIN);
    case SSL_ERROR_WANT_WRITE:
      return WaitFor(POLLOUT);
    default:
      ERR_clear_error();
      return false;
  }
}

bool Connection::Greet() {
  if (!tls_) return true;
  for (;;) {
    const int result = SSL_accept(tls_.get());
    if (result == 1) return true;
    if (!TlsMayGoOn(result)) return false;
  }
}

ssize_t Connection::Receive(char* bytes, std::size_t size) {
  for (;;) {
    if (tls_) {
      const int result = SSL_read(tls_.get(), bytes, static_cast<int>(size));
      if (result > 0) return result;
      if (!TlsMayGoOn(result)) return -1;
    } else {
      const ssize_t result = ::recv(fd_, bytes, size, 0);
      if (result >= 0) return result;
      if (errno != EAGAIN && errno != EINTR) return -1;
      if (!WaitFor(POLLIN)) return -1;
    }
  }
}

ssize_t Connection::Fill() {
  if (left_bytes_ == 0) return -1;
  const ssize_t got = Receive(buffer_.data(), std::min(buffer_.size(), left_bytes_));
  if (got <= 0) return got;
  left_bytes_ -= static_cast<std::size_t>(got);
  begin_ = 0;
  end_ = static_cast<std::size_t>(got);
  return got;
}

bool Connection::WaitForNext(absl::Duration patience, absl::Duration request_time) {
  if (!Flush()) return false;
  left_bytes_ = kMaxRequestBytes - (end_ - begin_);
  deadline_ = clock_.Monotonic() + patience;
  if (begin_ == end_ && Fill() <= 0) return false;
  deadline_ = clock_.Monotonic() + request_time;
  return true;
}

ssize_t Connection::read(char* bytes, std::size_t size) {
  if (begin_ == end_) {
    const ssize_t got = Fill();
    if (got <= 0) return got;
  }
  const std::size_t given = std::min(size, end_ - begin_);
  std::memcpy(bytes, buffer_.data() + begin_, given);
  begin_ += given;
  return static_cast<ssize_t>(given);
}

ssize_t Connection::write(const char* bytes, std::size_t size) {
  if (unsent_.size() + size <= kSentTogetherBytes) {
    unsent_.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  return Flush() && Send(bytes, size) ? static_cast<ssize_t>(size) : -1;
}

bool Connection::Flush() {
  const std::string bytes = std::exchange(unsent_, {});
  return Send(bytes.data(), bytes.size());
}

bool Connection::Send(const char* bytes, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    if (tls_) {
      const int result = SSL_write(tls_.get(), bytes + done, static_cast<int>(size - done));
      if (result > 0) {
        done += static_cast<std::size_t>(result);
      } else if (!TlsMayGoOn(result)) {
        return false;
      }
    } else {
      const ssize_t result = ::send(fd_, bytes + done, size - done, MSG_NOSIGNAL);
      if (result >= 0) {
        done += static_cast<std::size_t>(result);
      } else if ((errno != EAGAIN && errno != EINTR) || !WaitFor(POLLOUT)) {
        return false;
      }
    }
  }
  return true;
}

void Connection::Finish() {
  Flush();
  if (tls_) SSL_shutdown(tls_.get());
  ::shutdown(fd_, SHUT_WR);
  // Closing with unread bytes would reset the connection, and the answer with it.
  const absl::Duration end = std::min(deadline_, clock_.Monotonic() + kFarewell);
  char rest[4096];
  while (clock_.Monotonic() < end) {
    const ssize_t got = ::recv(fd_, rest, sizeof rest, 0);
    if (got > 0) continue;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) return;
    pollfd wait{fd_, POLLIN, 0};
    const absl::Duration left = std::max(end - clock_.Monotonic(), absl::ZeroDuration());
    ::poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ReadAddress(&::getpeername, fd_, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ReadAddress(&::getsockname, fd_, ip, port);
}

}  // namespace holdfast::http
