#include "common/env/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "common/base/error.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"
#include "fmt/format.h"

extern char** environ;

namespace holdfast {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kErrorTailBytes = 64 * 1024;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, 2001, "unable to create a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// A running child: killed and reaped unless Wait was called.
class Child {
 public:
  Child(pid_t pid, bool own_group) : pid_(pid), own_group_(own_group) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
    Wait();
  }
  // Whether Wait would return at once.
  bool HasExited() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
  }
  int Wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  const bool own_group_;
};

std::vector<std::string> MergedEnvironment(const ProcessOptions& options) {
  std::map<std::string, std::string> merged;
  for (char** item = environ; *item != nullptr; ++item) {
    const std::string_view text = *item;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      merged[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : options.environment) merged[name] = value;
  std::vector<std::string> result;
  for (const auto& [name, value] : merged) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> Pointers(const std::vector<std::string>& values) {
  std::vector<char*> result;
  for (const std::string& value : values) result.push_back(const_cast<char*>(value.c_str()));
  result.push_back(nullptr);
  return result;
}

absl::StatusOr<pid_t> Spawn(const ProcessOptions& options, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  if (!options.working_directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, options.working_directory.c_str());
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigset_t mask;
  sigemptyset(&mask);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &mask);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (options.own_group) flags = static_cast<short>(flags | POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, flags);

  const std::vector<std::string> environment = MergedEnvironment(options);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, options.argv[0].c_str(), &actions, &attributes,
                                   Pointers(options.argv).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return Error(
        ErrorKind::kSource, 2002,
        fmt::format("unable to run '{}': {}", options.argv[0], std::strerror(error)),
        fmt::format("Install the package that provides '{}' on this host.", options.argv[0]));
  }
  return pid;
}

// Feeds stdin and drains stdout and stderr until both outputs are closed.
class Pump {
 public:
  Pump(const ProcessOptions& options, UniqueFd in, UniqueFd out, UniqueFd err)
      : options_(options),
        in_(std::move(in)),
        out_(std::move(out)),
        err_(std::move(err)),
        pending_view_(options.standard_input) {
    for (const UniqueFd* fd : {&in_, &out_, &err_}) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  }

  absl::Status Run(absl::FunctionRef<absl::Status(ByteView)> on_output, std::stop_token stop) {
    while (out_.valid() || err_.valid()) {
      RETURN_IF_ERROR(MayGoOn(stop));
      pollfd fds[3] = {{in_.get(), POLLOUT, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
      if (::poll(fds, 3, 200) < 0 && errno != EINTR)
        return ErrnoError(errno, 2001, "unable to poll");
      if (in_.valid() && fds[0].revents != 0) RETURN_IF_ERROR(Feed());
      if (out_.valid() && fds[1].revents != 0) RETURN_IF_ERROR(Drain(out_, on_output));
      if (err_.valid() && fds[2].revents != 0) {
        RETURN_IF_ERROR(Drain(err_, [&](ByteView piece) {
          errors_.append(piece);
          if (errors_.size() > 2 * kErrorTailBytes)
            errors_.erase(0, errors_.size() - kErrorTailBytes);
          return absl::OkStatus();
        }));
      }
    }
    return absl::OkStatus();
  }

  // A child may close its outputs long before it ends; stop and deadline hold until then.
  absl::Status AwaitExit(const Child& child, std::stop_token stop) {
    in_.Reset();
    absl::Duration pause = absl::Milliseconds(1);
    while (!child.HasExited()) {
      RETURN_IF_ERROR(MayGoOn(stop));
      RealClock().SleepFor(pause, stop);
      pause = std::min(2 * pause, absl::Milliseconds(50));
    }
    return absl::OkStatus();
  }

  const std::string& errors() const { return errors_; }

 private:
  absl::Status MayGoOn(const std::stop_token& stop) const {
    if (stop.stop_requested()) {
      return Error(ErrorKind::kFailed, 2003, fmt::format("'{}' was stopped", options_.argv[0]));
    }
    if (RealClock().Monotonic() > end_) {
      return Error(ErrorKind::kSource, 2004,
                   fmt::format("'{}' did not finish within {}", options_.argv[0],
                               absl::FormatDuration(options_.deadline)));
    }
    return absl::OkStatus();
  }

  absl::Status Feed() {
    if (pending_view_.empty() && options_.read_input) {
      ASSIGN_OR_RETURN(pending_, options_.read_input());
      pending_view_ = pending_;
    }
    if (pending_view_.empty()) {
      in_.Reset();
      return absl::OkStatus();
    }
    const ssize_t written = ::write(in_.get(), pending_view_.data(), pending_view_.size());
    if (written >= 0) {
      pending_view_.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {
      in_.Reset();  // the child closed its input: its exit status tells why
    }
    return absl::OkStatus();
  }

  absl::Status Drain(UniqueFd& fd, absl::FunctionRef<absl::Status(ByteView)> consume) {
    char buffer[kPieceBytes];
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got > 0) return consume(ByteView(buffer, static_cast<std::size_t>(got)));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
    fd.Reset();
    return absl::OkStatus();
  }

  const ProcessOptions& options_;
  const absl::Duration end_ = RealClock().Monotonic() + options_.deadline;
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd err_;
  Bytes pending_;
  ByteView pending_view_;
  std::string errors_;
};

// A long text keeps both ends: the cause comes first from some programs, last from others.
std::string FirstAndLastWords(std::string_view text) {
  constexpr std::size_t kEachBytes = 300;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::string kept(text);
  if (text.size() > 2 * kEachBytes) {
    kept =
        fmt::format("{} ... {}", text.substr(0, kEachBytes), text.substr(text.size() - kEachBytes));
  }
  std::string result;
  for (const char c : kept) result += c == '\n' ? std::string("; ") : std::string(1, c);
  return Escaped(result, 3 * kEachBytes);
}

absl::Status EndError(const ProcessOptions& options, std::string_view how,
                      std::string_view standard_error) {
  return Error(ErrorKind::kSource, 2001,
               fmt::format("'{}' {}: {}", options.argv[0], how, FirstAndLastWords(standard_error)));
}

}  // namespace

absl::Status ExitError(const ProcessOptions& options, const ProcessResult& result) {
  return EndError(options, fmt::format("exited with status {}", result.exit_status),
                  result.standard_error);
}

absl::StatusOr<ProcessResult> RunProcess(const ProcessOptions& options,
                                         absl::FunctionRef<absl::Status(ByteView)> on_output,
                                         std::stop_token stop) {
  ASSIGN_OR_RETURN(Pipe in, MakePipe());
  ASSIGN_OR_RETURN(Pipe out, MakePipe());
  ASSIGN_OR_RETURN(Pipe err, MakePipe());
  ASSIGN_OR_RETURN(const pid_t pid,
                   Spawn(options, in.read_end.get(), out.write_end.get(), err.write_end.get()));
  Child child(pid, options.own_group);
  in.read_end.Reset();
  out.write_end.Reset();
  err.write_end.Reset();

  // A child that closes its input early must not kill us.
  static const bool ignored = [] { return ::signal(SIGPIPE, SIG_IGN) != SIG_ERR; }();
  (void)ignored;

  Pump pump(options, std::move(in.write_end), std::move(out.read_end), std::move(err.read_end));
  RETURN_IF_ERROR(pump.Run(on_output, stop));
  RETURN_IF_ERROR(pump.AwaitExit(child, stop));
  const int status = child.Wait();
  if (WIFEXITED(status)) {
    ProcessResult result{WEXITSTATUS(status), pump.errors()};
    if (result.exit_status == 0 || options.any_status) return result;
    return ExitError(options, result);
  }
  return EndError(options, fmt::format("was killed by signal {}", WTERMSIG(status)), pump.errors());
}

absl::StatusOr<std::string> RunProcessForOutput(const ProcessOptions& options, std::stop_token stop,
                                                std::size_t limit_bytes) {
  std::string output;
  const auto collect = [&](ByteView piece) -> absl::Status {
    output.append(piece);
    if (output.size() <= limit_bytes) return absl::OkStatus();
    return Error(ErrorKind::kSource, 2005,
                 fmt::format("'{}' printed more than {} bytes", options.argv[0], limit_bytes));
  };
  RETURN_IF_ERROR(RunProcess(options, collect, stop).status());
  return output;
}

}  // namespace holdfast
