#include "controller/daemon/local_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "common/base/error.h"
#include "common/env/file_system.h"
#include "common/env/unique_fd.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr int kPollMs = 200;

absl::Status NotBound(const std::string& path, std::string_view why) {
  return Error(
      ErrorKind::kConflict, 6054,
      fmt::format("unable to listen on socket '{}': {}", Escaped(path), why),
      "Set `socket` in controller.yaml to a path this user may write (at most 107 bytes).");
}

bool IsAllowed(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
  log::Warn("user {} tried to use the operators' socket and was refused", peer.uid);
  return false;
}

}  // namespace

struct LocalSocket::Impl {
  std::string path;
  UniqueFd listener;
  std::function<void(int)> take;
  std::jthread thread;

  ~Impl() {
    thread.request_stop();
    if (thread.joinable()) thread.join();
    ::unlink(path.c_str());
  }

  void Accept(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd poll_fd{listener.get(), POLLIN, 0};
      if (::poll(&poll_fd, 1, kPollMs) <= 0) continue;
      UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (peer.valid() && IsAllowed(peer.get())) take(peer.Release());
    }
  }
};

absl::StatusOr<std::unique_ptr<LocalSocket>> LocalSocket::Listen(const std::string& path,
                                                                 std::function<void(int fd)> take) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return NotBound(path, "the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  RETURN_IF_ERROR(RealFileSystem().MakeDirectories(ParentPath(path)));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->take = std::move(take);
  impl->listener = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const int bound =
      ::bind(impl->listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(impl->listener.get(), 64) != 0) {
    return NotBound(path, std::strerror(errno));
  }
  Impl* raw = impl.get();
  impl->thread = std::jthread([raw](std::stop_token stop) { raw->Accept(stop); });
  return std::unique_ptr<LocalSocket>(new LocalSocket(std::move(impl)));
}

LocalSocket::LocalSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalSocket::~LocalSocket() = default;

}  // namespace holdfast::daemon
