#include "controller/cli/terminal.h"

#include <csignal>
#include <iostream>
#include <thread>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/base/error.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kColumnsFallback = 100;
constexpr std::size_t kMaxLineBytes = 4096;

class EchoOff {
 public:
  EchoOff() {
    active_ = ::tcgetattr(STDIN_FILENO, &saved_) == 0;
    if (!active_) return;
    termios quiet = saved_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    active_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
  }
  ~EchoOff() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  bool active() const { return active_; }

 private:
  termios saved_{};
  bool active_ = false;
};

absl::Status NobodyThere(const std::string& what) {
  return Error(ErrorKind::kUsage, 1101, "unable to ask '" + what + "': the input is no terminal",
               "Run it on a terminal, or use the options and files that --help names.");
}

class PosixTerminal final : public Terminal {
 public:
  bool InputIsTerminal() override { return ::isatty(STDIN_FILENO) == 1; }
  bool OutputIsTerminal() override { return ::isatty(STDOUT_FILENO) == 1; }
  bool ErrorIsTerminal() override { return ::isatty(STDERR_FILENO) == 1; }

  std::size_t Columns() override {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) {
      return kColumnsFallback;
    }
    return size.ws_col;
  }

  absl::StatusOr<std::string> ReadLine(const std::string& prompt) override {
    if (!InputIsTerminal()) return NobodyThere(prompt);
    std::cerr << prompt << std::flush;
    return ReadBytes();
  }

  absl::StatusOr<SecretBytes> ReadSecret(const std::string& prompt) override {
    if (!InputIsTerminal()) return NobodyThere(prompt);
    const EchoOff quiet;
    if (!quiet.active()) return NobodyThere(prompt);
    std::cerr << prompt << std::flush;
    auto line = ReadBytes();
    std::cerr << "\n" << std::flush;
    if (!line.ok()) return line.status();
    return SecretBytes::Take(*std::move(line));
  }

 private:
  // Without a buffer of its own, so that no copy of a secret stays behind in a stream.
  static absl::StatusOr<std::string> ReadBytes() {
    std::string line;
    line.reserve(kMaxLineBytes);
    for (char c = 0; line.size() < kMaxLineBytes;) {
      const ssize_t got = ::read(STDIN_FILENO, &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 && line.empty()) {
        return Error(ErrorKind::kUsage, 1101, "the question was left without an answer");
      }
      if (got <= 0 || c == '\n') return line;
      line.push_back(c);
    }
    return Error(ErrorKind::kUsage, 1101, "the answer is too long");
  }
};

}  // namespace

std::unique_ptr<Terminal> MakeTerminal() { return std::make_unique<PosixTerminal>(); }

void Interrupts::Press() {
  if (!first_.request_stop()) second_.request_stop();
}

void CatchInterrupts(Interrupts& interrupts) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([&interrupts, signals] {
    for (int presses = 1;; ++presses) {
      int signal = 0;
      if (::sigwait(&signals, &signal) != 0) return;
      if (presses < 3) {
        interrupts.Press();
        continue;
      }
      std::signal(signal, SIG_DFL);
      sigset_t one;
      ::sigemptyset(&one);
      ::sigaddset(&one, signal);
      ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
      ::raise(signal);
    }
  }).detach();
}

}  // namespace holdfast::cli
