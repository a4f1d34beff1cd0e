#include "tests/support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "common/base/error.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"
#include "tests/support/free_port.h"

namespace holdfast::test {
namespace {

sockaddr_in Local(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

UniqueFd ConnectTo(int port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Local(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return UniqueFd();
  }
  return fd;
}

std::string ReadExactly(int fd, std::size_t size) {
  std::string result;
  char buffer[4096];
  while (result.size() < size) {
    const ssize_t got = ::read(fd, buffer, std::min(sizeof buffer, size - result.size()));
    if (got <= 0) break;
    result.append(buffer, static_cast<std::size_t>(got));
  }
  return result;
}

std::string ReadLine(int fd) {
  std::string line;
  for (std::string byte = ReadExactly(fd, 1); !byte.empty() && byte != "\n";
       byte = ReadExactly(fd, 1)) {
    if (byte != "\r") line += byte;
  }
  return line;
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> options) : options_(std::move(options)) {
  port_ = FreePort();
  Start();
}

RedisServer::~RedisServer() { Stop(); }

void RedisServer::Start() {
  std::vector<std::string> argv = {"redis-server",
                                   "--port",
                                   std::to_string(port_),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   directory_.path(),
                                   "--save",
                                   "",
                                   "--enable-debug-command",
                                   "yes",
                                   "--logfile",
                                   directory_.path() + "/log",
                                   "--repl-diskless-sync-delay",
                                   "0"};
  argv.insert(argv.end(), options_.begin(), options_.end());
  std::vector<char*> pointers;
  for (std::string& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  HOLDFAST_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    // A server must not outlive a test program that was killed, nor hold its output open.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    if (::getppid() == parent) ::execvp("redis-server", pointers.data());
    ::_exit(127);
  }
  for (int attempt = 0; attempt < 500; ++attempt) {
    const std::string answer = Talk({"PING"});
    // A server that demands a password or still loads its data is up as well.
    if (!answer.empty()) return;
    RealClock().SleepFor(absl::Milliseconds(20), {});
  }
  HOLDFAST_CHECK(!"redis-server did not come up");
}

void RedisServer::Stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string RedisServer::Talk(const std::vector<std::string>& words) const {
  const UniqueFd fd = ConnectTo(port_);
  if (!fd.valid()) return "";
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  const std::string line = ReadLine(fd.get());
  if (line.empty() || line.front() != '$' || line == "$-1") return line;
  return ReadExactly(fd.get(), std::stoul(line.substr(1)));
}

}  // namespace holdfast::test
