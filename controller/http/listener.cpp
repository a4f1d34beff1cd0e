#include "controller/http/listener.h"

#include <sys/socket.h>

#include "common/base/error.h"
#include "common/env/service.h"
#include "common/env/tcp_listen.h"
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

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(Clock& clock, const std::string& host,
                                                          int port, Serve serve) {
  absl::StatusOr<UniqueFd> fd = ListenTcp(host, port, kBacklog);
  if (!fd.ok()) return CannotListen(host, port, MessageOf(fd.status()));
  const int bound = LocalPort(fd->get());
  return std::unique_ptr<Listener>(new Listener(clock, *std::move(fd), bound, std::move(serve)));
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
    ServeOne(connection);
  }
}

}  // namespace holdfast::http
