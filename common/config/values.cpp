#include "common/config/values.h"

#include <charconv>
#include <limits>

namespace holdfast {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

struct Quantity {
  std::uint64_t number = 0;
  std::string_view unit;
};

// Digits, then what follows; nullopt without digits, with a leading zero or on overflow.
std::optional<Quantity> Split(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || (digits > 1 && text[0] == '0')) return std::nullopt;
  Quantity result;
  const auto parsed = std::from_chars(text.data(), text.data() + digits, result.number);
  if (parsed.ec != std::errc() || result.number > kLargest) return std::nullopt;
  result.unit = text.substr(digits);
  if (result.unit.size() > 1 && result.unit[0] == ' ') result.unit.remove_prefix(1);
  return result;
}

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr SizeUnit kSizeUnits[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1'000},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
};

struct TimeUnit {
  std::string_view name;
  std::uint64_t milliseconds;
};
constexpr TimeUnit kTimeUnits[] = {
    {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000},
};

}  // namespace

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  const auto parts = Split(negative ? text.substr(1) : text);
  if (!parts || !parts->unit.empty()) return std::nullopt;
  const auto value = static_cast<std::int64_t>(parts->number);
  if (negative && value == 0) return std::nullopt;
  return negative ? -value : value;
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  const auto parts = Split(text);
  if (!parts) return std::nullopt;
  if (parts->number == 0 && parts->unit.empty()) return absl::ZeroDuration();
  for (const TimeUnit& unit : kTimeUnits) {
    if (unit.name != parts->unit) continue;
    if (parts->number > kLargest / unit.milliseconds) return std::nullopt;
    return absl::Milliseconds(static_cast<std::int64_t>(parts->number * unit.milliseconds));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  const auto parts = Split(text);
  if (!parts) return std::nullopt;
  for (const SizeUnit& unit : kSizeUnits) {
    if (unit.name != parts->unit) continue;
    if (parts->number > kLargest / unit.bytes) return std::nullopt;
    return parts->number * unit.bytes;
  }
  return std::nullopt;
}

}  // namespace holdfast
