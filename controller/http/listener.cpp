#include "controller/http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "common/base/error.h"
#include "common/env/service.h"
#include "fmt/format.h"

namespace holdfast::http {
namespace {

constexpr int kNiceness = 10;
constexpr absl::Duration kPause = absl::Milliseconds(50);  // while no descriptor is free

absl::Status CannotListen(const std::string& host, int port, const std::string& cause) {
  return Error(ErrorKind::kConflict, 6090,
               fmt::format("unable to listen on '{}:{}' for HTTP: {}", host, port, cause),
               "Set http.listen in controller.yaml to a free address of this host.");
}

absl::StatusOr<UniqueFd> Bind(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  // "[::1]" as it stands in addresses with a port.
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result != 0) return CannotListen(host, port, ::gai_strerror(result));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    UniqueFd fd(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    const int yes = 1;
    if (fd.get() >= 0 && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        ::bind(fd.get(), at->ai_addr, at->ai_addrlen) == 0 && ::listen(fd.get(), kBacklog) == 0) {
      return fd;
    }
    error = errno;
  }
  return CannotListen(host, port, std::strerror(error));
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  // The port is at the same place in both families.
  sockaddr_in internet{};
  std::memcpy(&internet, &address, sizeof internet);
  return ntohs(internet.sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(Clock& clock, const std::string& host,
                                                          int port, Serve serve) {
  ASSIGN_OR_RETURN(UniqueFd fd, Bind(host, port));
  const int bound = PortOf(fd.get());
  return std::unique_ptr<Listener>(new Listener(clock, std::move(fd), bound, std::move(serve)));
}

Listener::Listener(Clock& clock, UniqueFd fd, int port, Serve serve)
    : clock_(clock), fd_(std::move(fd)), port_(port), serve_(std::move(serve)) {
  for (int i = 0; i < kWorkers; ++i) workers_.emplace_back([this] { Work(); });
}

void Listener::Stop() {
  stopping_ = true;
  ::shutdown(fd_.get(), SHUT_RD);  // wakes those who wait in accept
  {
    std::lock_guard lock(mutex_);
    for (const int connection : open_) ::shutdown(connection, SHUT_RDWR);
  }
  workers_.clear();  // joins
}

Listener::Leave Listener::LeaveNow() {
  std::lock_guard lock(mutex_);
  const bool scarce = open_.size() > kWorkers / 2;
  return {scarce ? kShortTime : kRequestTime, !stopping_ && open_.size() <= kMostStaying};
}

void Listener::ServeOne(const UniqueFd& connection) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    open_.insert(connection.get());
  }
  const absl::Duration end = clock_.Monotonic() + kStay;
  serve_(connection.get(), [&] {
    Leave leave = LeaveNow();
    leave.may_stay = leave.may_stay && clock_.Monotonic() < end;
    return leave;
  });
  std::lock_guard lock(mutex_);
  open_.erase(connection.get());
}

void Listener::Work() {
  SetNiceness(kNiceness);
  while (!stopping_) {
    const UniqueFd connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (stopping_) return;
    if (connection.get() < 0) {
      // The client went away again, or no descriptor is free.
      clock_.SleepFor(kPause, {});
      continue;
    }
    const int yes = 1;
    ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ServeOne(connection);
  }
}

}  // namespace holdfast::http
