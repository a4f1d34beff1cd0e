#include "agent/daemon/upload_config.h"

#include <algorithm>
#include <array>

#include "common/base/error.h"

namespace holdfast::daemon {
namespace {

constexpr std::uint64_t kLeastLimit = 64 * 1024;  // below, no object of 16 MiB would ever arrive
constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

std::optional<int> DayNumber(std::string_view name) {
  const auto* found = std::find(kDays.begin(), kDays.end(), name);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<int>(found - kDays.begin());
}

// "mon" or "mon-fri"; over the end of the week as well.
std::optional<std::uint8_t> DaysOf(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = DayNumber(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : DayNumber(text.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  std::uint8_t days = 0;
  for (int day = *first;; day = (day + 1) % 7) {
    days = static_cast<std::uint8_t>(days | 1 << day);
    if (day == *last) return days;
  }
}

absl::StatusOr<std::uint8_t> ReadDays(const ConfigNode& window) {
  if (!window.Has("days")) return std::uint8_t{0x7f};
  std::vector<std::string> texts;
  if (window.Find("days")->IsList()) {
    ASSIGN_OR_RETURN(texts, window.Texts("days"));
  } else {
    ASSIGN_OR_RETURN(texts.emplace_back(), window.Text("days"));
  }
  std::uint8_t days = 0;
  for (const std::string& text : texts) {
    const auto some = DaysOf(text);
    if (!some) {
      return window.Find("days")->Refuse("this is no day of the week, nor a range of them",
                                         "Write for example mon-fri, or [sat, sun].");
    }
    days = static_cast<std::uint8_t>(days | *some);
  }
  return days;
}

// Minutes since midnight; 24:00 is the end of the day.
absl::StatusOr<int> ReadMinute(const ConfigNode& window, std::string_view key) {
  ASSIGN_OR_RETURN(const std::string text, window.Text(key));
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() == 5 && text[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4)) {
    const int hour = (text[0] - '0') * 10 + (text[1] - '0');
    const int minute = (text[3] - '0') * 10 + (text[4] - '0');
    if (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))) return hour * 60 + minute;
  }
  return window.Find(key)->Refuse("this is not a time of day", "Write for example \"08:00\".");
}

absl::StatusOr<transport::BytesPerSecond> ReadLimit(const ConfigNode& node) {
  if (!node.Has("limit")) return transport::BytesPerSecond();
  ASSIGN_OR_RETURN(const std::uint64_t limit, node.Size("limit", 0));
  if (limit < kLeastLimit) {
    return node.Find("limit")->Refuse("this is less than 64 KiB per second",
                                      "Leave the line out for no limit.");
  }
  return transport::BytesPerSecond(limit);
}

}  // namespace

absl::StatusOr<transport::UploadTimetable> ReadUploadTimetable(const ConfigNode& node) {
  RETURN_IF_ERROR(node.CheckKeys({"limit", "timetable"}));
  transport::UploadTimetable timetable;
  ASSIGN_OR_RETURN(timetable.limit, ReadLimit(node));
  if (!node.Has("timetable")) return timetable;
  ASSIGN_OR_RETURN(const auto windows, node.List("timetable"));
  for (const ConfigNode& window : windows) {
    RETURN_IF_ERROR(window.CheckKeys({"days", "from", "to", "limit"}, {"from", "to"}));
    transport::UploadWindow read;
    ASSIGN_OR_RETURN(read.days, ReadDays(window));
    ASSIGN_OR_RETURN(read.from_minute, ReadMinute(window, "from"));
    ASSIGN_OR_RETURN(read.to_minute, ReadMinute(window, "to"));
    ASSIGN_OR_RETURN(read.limit, ReadLimit(window));
    timetable.windows.push_back(read);
  }
  return timetable;
}

}  // namespace holdfast::daemon
