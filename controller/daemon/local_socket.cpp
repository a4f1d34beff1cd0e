#include "controller/daemon/local_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "common/base/error.h"
#include "common/env/file_system.h"
#include "common/env/unique_fd.h"
#include "common/log/log.h"
#include "controller/daemon/accept_loop.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

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
  std::optional<AcceptLoop> loop;

  ~Impl() {
    loop.reset();
    ::unlink(path.c_str());
  }
};

absl::StatusOr<std::unique_ptr<LocalSocket>> LocalSocket::Listen(Clock& clock,
                                                                 const std::string& path,
                                                                 std::function<void(int fd)> take) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return NotBound(path, "the path is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  RETURN_IF_ERROR(RealFileSystem().MakeDirectories(ParentPath(path)));
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(listener.get(), 64) != 0) {
    return NotBound(path, std::strerror(errno));
  }
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->loop.emplace(clock, std::move(listener), "operators", [take = std::move(take)](int fd) {
    UniqueFd peer(fd);
    if (IsAllowed(peer.get())) take(peer.Release());
  });
  return std::unique_ptr<LocalSocket>(new LocalSocket(std::move(impl)));
}

LocalSocket::LocalSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalSocket::~LocalSocket() = default;

}  // namespace holdfast::daemon
