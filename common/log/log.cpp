#include "common/log/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/error.h"

namespace holdfast::log {
namespace {

constexpr std::size_t kMessageLimitBytes = 8192;

struct LevelRow {
  Level level;
  std::string_view name;
  spdlog::level::level_enum spdlog_level;
};
constexpr LevelRow kLevels[] = {
    {Level::kDebug, "debug", spdlog::level::debug}, {Level::kInfo, "info", spdlog::level::info},
    {Level::kWarn, "warn", spdlog::level::warn},    {Level::kError, "error", spdlog::level::err},
    {Level::kOff, "off", spdlog::level::off},
};

const LevelRow& RowOf(Level level) { return kLevels[static_cast<int>(level)]; }

const LevelRow& RowOf(spdlog::level::level_enum level) {
  for (const LevelRow& row : kLevels) {
    if (row.spdlog_level == level) return row;
  }
  return kLevels[0];
}

// "2026-01-07T02:00:01.250Z" of the time spdlog stamped the event with.
std::string Timestamp(spdlog::log_clock::time_point time) {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = since_epoch / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     since_epoch % 1000);
}

class LineFormatter final : public spdlog::formatter {
 public:
  LineFormatter(std::string program, bool json) : program_(std::move(program)), json_(json) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const Level level = RowOf(message.level).level;
    const std::string_view text(message.payload.data(), message.payload.size());
    const std::string time = Timestamp(message.time);
    const std::string line = json_ ? FormatJson(level, program_, text, time)
                                   : time + " " + FormatText(level, program_, text);
    out.append(line.data(), line.data() + line.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(program_, json_);
  }

 private:
  const std::string program_;
  const bool json_;
};

std::shared_ptr<spdlog::logger> MakeLogger(const std::string& program, bool json,
                                           spdlog::level::level_enum level) {
  auto logger = std::make_shared<spdlog::logger>("holdfast",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LineFormatter>(program, json));
  logger->set_level(level);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

struct Current {
  std::mutex mutex;  // guards logger
  std::shared_ptr<spdlog::logger> logger = MakeLogger("", false, spdlog::level::info);
  std::atomic<int> level{static_cast<int>(Level::kInfo)};
};

Current& Log() {
  static auto* const current = new Current;  // never destroyed: late threads may still log
  return *current;
}

std::string JsonEscaped(std::string_view text) {
  std::string result;
  // Escaped() leaves printable UTF-8 and its own \xNN, so quotes and backslashes are all that is
  // left.
  for (const char c : Escaped(text, kMessageLimitBytes)) {
    if (c == '"' || c == '\\') result.push_back('\\');
    result.push_back(c);
  }
  return result;
}

}  // namespace

std::string FormatText(Level level, std::string_view program, std::string_view message) {
  return fmt::format("{:<5} {}{}{}", RowOf(level).name, program, program.empty() ? "" : ": ",
                     Escaped(message, kMessageLimitBytes));
}

std::string FormatJson(Level level, std::string_view program, std::string_view message,
                       std::string_view time) {
  return fmt::format(R"({{"time":"{}","level":"{}","program":"{}","message":"{}"}})", time,
                     RowOf(level).name, JsonEscaped(program), JsonEscaped(message));
}

absl::Status Setup(const Options& options) {
  std::optional<LevelRow> row;
  for (const LevelRow& candidate : kLevels) {
    if (candidate.name == options.level) row = candidate;
  }
  if (!row) {
    return holdfast::Error(
        ErrorKind::kUsage, 1020,
        fmt::format("unable to set the log level '{}'", Escaped(options.level, 40)),
        "Use debug, info, warn, error or off.");
  }
  if (options.format != "text" && options.format != "json") {
    return holdfast::Error(
        ErrorKind::kUsage, 1020,
        fmt::format("unable to set the log format '{}'", Escaped(options.format, 40)),
        "Use text or json.");
  }
  Current& current = Log();
  const std::lock_guard lock(current.mutex);
  current.logger = MakeLogger(options.program, options.format == "json", row->spdlog_level);
  current.level = static_cast<int>(row->level);
  return absl::OkStatus();
}

bool IsEnabled(Level level) {
  return level != Level::kOff && static_cast<int>(level) >= Log().level.load();
}

void Write(Level level, std::string_view message) {
  if (!IsEnabled(level)) return;
  Current& current = Log();
  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(current.mutex);
    logger = current.logger;
  }
  logger->log(RowOf(level).spdlog_level, spdlog::string_view_t(message.data(), message.size()));
}

void Failure(const absl::Status& status) {
  const std::string hint = HintOf(status);
  const int code = CodeOf(status);
  Write(Level::kError, fmt::format("{}{}{}{}", MessageOf(status),
                                   hint.empty() ? "" : " (hint: ", hint, hint.empty() ? "" : ")") +
                           (code == 0 ? "" : fmt::format(" (HF-{:04})", code)));
}

}  // namespace holdfast::log
