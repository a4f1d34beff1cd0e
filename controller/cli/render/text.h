// Numbers, times and tables as an operator reads them.
//
// Invariants: sizes in binary units; times with their zone; nothing here escapes: callers give
//             Escaped() names.
// Threading:  pure functions and values.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/report/age.h"

namespace holdfast::cli {

inline constexpr std::string_view kGap = "   ";  // between the columns of a line

std::string SizeText(std::uint64_t bytes);  // "0 B", "12 KiB", "1.6 GiB"
std::string TimeText(std::uint64_t unix_ms,
                     absl::TimeZone zone);  // "2026-01-07 02:00 UTC", "never"
using report::AgeText;
std::string SecondsText(double seconds);                             // "0.2 s", "14 s", "3m10s"
std::string LeftText(absl::Duration left);                           // "0:44", "1:02:10"
std::string PercentText(std::uint64_t part, std::uint64_t whole);    // "0.2 %", "" when whole is 0
std::string Plural(std::uint64_t count, std::string_view singular);  // "1 file", "2 files"

// What a terminal needs for `text`: one column per code point.
std::size_t DisplayWidth(std::string_view text);
std::string Padded(std::string_view text, std::size_t width);
std::string PaddedLeft(std::string_view text, std::size_t width);

enum class Align { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void Add(std::vector<std::string> cells);  // as many as columns
  std::string Render() const;                // title line and rows, no trailing blanks

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace holdfast::cli
