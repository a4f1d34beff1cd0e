#include "controller/daemon/accept_loop.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "common/log/log.h"

namespace holdfast::daemon {
namespace {

constexpr int kPollMs = 200;
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr absl::Duration kBetweenWarnings = absl::Minutes(1);

// What passes by itself; anything else is about the one connection, which is gone.
bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

}  // namespace

AcceptLoop::AcceptLoop(Clock& clock, UniqueFd listener, std::string whose,
                       std::function<void(int fd)> take)
    : clock_(clock),
      listener_(std::move(listener)),
      whose_(std::move(whose)),
      take_(std::move(take)),
      thread_([this](std::stop_token stop) { Run(stop); }) {}

void AcceptLoop::Run(const std::stop_token& stop) {
  absl::Duration next_warning = clock_.Monotonic();
  while (!stop.stop_requested()) {
    pollfd ready{listener_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kPollMs) <= 0) continue;
    UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int error = errno;
    if (peer.valid()) {
      take_(peer.Release());
    } else if (IsShortage(error)) {
      if (clock_.Monotonic() >= next_warning) {
        log::Warn("connections of {} have to wait: {}", whose_, std::strerror(error));
        next_warning = clock_.Monotonic() + kBetweenWarnings;
      }
      clock_.SleepFor(kPause, stop);
    }
  }
}

}  // namespace holdfast::daemon
