#include "common/env/service.h"

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "common/env/unique_fd.h"

namespace holdfast {
namespace {

sigset_t TerminationSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void NotifySystemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@') ||
      std::strlen(path) >= sizeof address.sun_path) {
    return;
  }
  const std::size_t size = std::strlen(path);
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
}

void NotifyReloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t microseconds = now.tv_sec * 1'000'000ll + now.tv_nsec / 1'000;
  NotifySystemd("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

void BlockTerminationSignals() {
  const sigset_t set = TerminationSignals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

int WaitForTermination() {
  const sigset_t set = TerminationSignals();
  int signal = 0;
  ::sigwait(&set, &signal);
  return signal;
}

void KeepBuffersForReuse() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 8 << 20);   // above the largest sealed object that is usual
  ::mallopt(M_TRIM_THRESHOLD, 32 << 20);  // what stays after a run, per arena
}

std::string OwnDirectory() {
  char path[PATH_MAX] = {};
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (size <= 0) return "";
  const std::string_view file(path, static_cast<std::size_t>(size));
  return std::string(file.substr(0, file.rfind('/')));
}

void SetNiceness(int nice) {
  if (nice != 0) ::setpriority(PRIO_PROCESS, 0, nice);
}

void ForbidCoreDumps() { ::prctl(PR_SET_DUMPABLE, 0); }

}  // namespace holdfast
