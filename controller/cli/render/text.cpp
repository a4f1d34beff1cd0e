#include "controller/cli/render/text.h"

#include <algorithm>
#include <cmath>

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::cli {

std::string SizeText(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  double value = static_cast<double>(bytes);
  while (value >= 1024 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  if (unit > 0 && value >= 1023.5 && unit < 6) {  // would print as "1024 KiB"
    value /= 1024;
    ++unit;
  }
  if (unit == 0 || value >= 9.95) return fmt::format("{:.0f} {}", value, kUnits[unit]);
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string TimeText(std::uint64_t unix_ms, absl::TimeZone zone) {
  if (unix_ms == 0) return "never";
  if (unix_ms > 253'402'300'799'000u) return "after the year 9999";
  return absl::FormatTime("%Y-%m-%d %H:%M %Z",
                          absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms)), zone);
}

std::string SecondsText(double seconds) {
  if (!(seconds >= 0)) seconds = 0;
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  return AgeText(absl::Seconds(std::min(std::round(seconds), 1e9)));
}

std::string LeftText(absl::Duration left) {
  const std::int64_t seconds = std::max<std::int64_t>(0, absl::ToInt64Seconds(left));
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string PercentText(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return percent < 9.95 ? fmt::format("{:.1f} %", percent) : fmt::format("{:.0f} %", percent);
}

std::string Plural(std::uint64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", CountText(count), singular, count == 1 ? "" : "s");
}

std::size_t DisplayWidth(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string Padded(std::string_view text, std::size_t width) {
  const std::size_t own = DisplayWidth(text);
  return std::string(text) + std::string(width > own ? width - own : 0, ' ');
}

std::string PaddedLeft(std::string_view text, std::size_t width) {
  const std::size_t own = DisplayWidth(text);
  return std::string(width > own ? width - own : 0, ' ') + std::string(text);
}

void Table::Add(std::vector<std::string> cells) {
  HOLDFAST_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Render() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i]));
    widths.push_back(width);
  }
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      text +=
          columns_[i].align == Align::kLeft ? Padded(cell, widths[i]) : PaddedLeft(cell, widths[i]);
      text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string result = line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    result += line([&](std::size_t i) -> const std::string& { return row[i]; });
  }
  return result;
}

}  // namespace holdfast::cli
