// Runs another program with its output streamed, never through a shell.
//
// Hides:      posix_spawn, pipes, polling, reaping, the kill of a child that must not outlive us.
// Invariants: I1  Success means the child exited with status 0 after every byte of its output was
//                 taken.
//             I2  When Run returns, the child is reaped; on stop, deadline or callback error it was
//                 killed.
//             I3  argv never goes through a shell; secrets belong in `environment`, not in argv.
// Threading:  Run blocks; calls are independent.
// Errors:     kSource (code 2001) with the program's name, exit status and both ends of its stderr;
//             the callback's own error unchanged.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"

namespace holdfast {

struct ProcessOptions {
  std::vector<std::string> argv;                                 // argv[0] is looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  ByteView standard_input;                                       // whole input, kept by the caller
  std::function<absl::StatusOr<Bytes>()> read_input;             // or: next piece, empty = end
  absl::Duration deadline = absl::InfiniteDuration();
  std::string working_directory;  // empty: ours
  // The child leads a process group; when it is killed, so is whatever it has started in it.
  bool own_group = false;
  // An exit status other than 0 is a result, not an error.
  bool any_status = false;
};

struct ProcessResult {
  int exit_status = 0;         // other than 0 with any_status only
  std::string standard_error;  // last 64 KiB
};

// `on_output` gets stdout in pieces of up to 64 KiB.
absl::StatusOr<ProcessResult> RunProcess(const ProcessOptions& options,
                                         absl::FunctionRef<absl::Status(ByteView)> on_output,
                                         std::stop_token stop);

// The error that RunProcess makes of an exit status other than 0, for a caller with any_status.
absl::Status ExitError(const ProcessOptions& options, const ProcessResult& result);

// Convenience: whole stdout as a string, up to `limit_bytes`.
absl::StatusOr<std::string> RunProcessForOutput(const ProcessOptions& options, std::stop_token stop,
                                                std::size_t limit_bytes = 64u << 20);

}  // namespace holdfast
