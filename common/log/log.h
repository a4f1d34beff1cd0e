// The program's log: one line per event on stderr, as text with UTC time or as JSON.
//
// Hides:      spdlog.
// Invariants: I1  One call is one line: line breaks and control characters of the message are
//                 escaped, so that nobody can forge a line.
//             I2  Secrets, keys and chunk bytes are never logged: callers do not pass them. What
//                 comes from outside (paths, names, text of a peer) is passed through Escaped(), so
//                 that its length is bounded.
// Threading:  every function from any thread; Setup once, before other threads log.
// Errors:     Setup: kUsage 1020 for an unknown level or format. Logging itself never fails.
//
//   text: 2026-01-07T02:00:01.250Z info  agent: backed up source 'db' in 2.1 s
//   json: {"time":"2026-01-07T02:00:01.250Z","level":"info","program":"agent","message":"…"}
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace holdfast::log {

enum class Level { kDebug, kInfo, kWarn, kError, kOff };

struct Options {
  std::string program;          // "agent", "controller"
  std::string level = "info";   // debug, info, warn, error, off
  std::string format = "text";  // text, json
};

// Before the first Setup the log is text at level info with an empty program.
absl::Status Setup(const Options& options);
bool IsEnabled(Level level);

// Writes one line; for text that is ready. The functions below format first.
void Write(Level level, std::string_view message);
// Message, hint and HF code of a failure, at level error.
void Failure(const absl::Status& status);

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) {
  if (IsEnabled(Level::kDebug)) {
    Write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Info(fmt::format_string<Args...> format, Args&&... args) {
  if (IsEnabled(Level::kInfo)) {
    Write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Warn(fmt::format_string<Args...> format, Args&&... args) {
  if (IsEnabled(Level::kWarn)) {
    Write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Error(fmt::format_string<Args...> format, Args&&... args) {
  if (IsEnabled(Level::kError)) {
    Write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
  }
}

// The line without time, for tests and for sinks that stamp themselves: `message` as it is printed.
std::string FormatText(Level level, std::string_view program, std::string_view message);
std::string FormatJson(Level level, std::string_view program, std::string_view message,
                       std::string_view time);

}  // namespace holdfast::log
