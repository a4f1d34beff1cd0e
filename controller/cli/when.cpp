#include "controller/cli/when.h"

#include <charconv>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

absl::Status NoTime(std::string_view text) {
  return Error(ErrorKind::kUsage, 1123,
               fmt::format("'{}' is no time of the form 2026-01-07 02:00", Escaped(text, 60)));
}

// Exactly `digits` digits from the front of `rest`.
std::optional<int> TakeNumber(std::string_view* rest, std::size_t digits) {
  if (rest->size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const char c = (*rest)[i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  rest->remove_prefix(digits);
  return value;
}

bool TakeChar(std::string_view* rest, char wanted) {
  if (rest->empty() || rest->front() != wanted) return false;
  rest->remove_prefix(1);
  return true;
}

std::optional<absl::TimeZone> ParseZone(std::string_view text) {
  if (text == "Z" || text == "UTC") return absl::UTCTimeZone();
  if (text.front() == '+' || text.front() == '-') {
    const bool west = text.front() == '-';
    text.remove_prefix(1);
    const auto hours = TakeNumber(&text, 2);
    TakeChar(&text, ':');
    const auto minutes = TakeNumber(&text, 2);
    if (!hours || !minutes || !text.empty() || *hours > 14 || *minutes > 59) return std::nullopt;
    const int seconds = (*hours * 60 + *minutes) * 60;
    return absl::FixedTimeZone(west ? -seconds : seconds);
  }
  for (const char c : text) {  // a zone's name is a file's name: keep it tame
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!letter && !(c >= '0' && c <= '9') && c != '/' && c != '_' && c != '+' && c != '-') {
      return std::nullopt;
    }
  }
  absl::TimeZone zone;
  if (text.front() == '/' || !absl::LoadTimeZone(std::string(text), &zone)) return std::nullopt;
  return zone;
}

}  // namespace

absl::StatusOr<absl::Time> ParseEndOfTime(std::string_view text, absl::TimeZone zone) {
  std::string_view rest = text;
  const auto year = TakeNumber(&rest, 4);
  if (!year || !TakeChar(&rest, '-')) return NoTime(text);
  const auto month = TakeNumber(&rest, 2);
  if (!month || !TakeChar(&rest, '-')) return NoTime(text);
  const auto day = TakeNumber(&rest, 2);
  if (!day) return NoTime(text);

  std::optional<int> hour, minute, second;
  const bool has_clock =
      rest.size() >= 3 && (rest[0] == ' ' || rest[0] == 'T') && rest[1] >= '0' && rest[1] <= '9';
  if (has_clock) {
    rest.remove_prefix(1);
    hour = TakeNumber(&rest, 2);
    if (!hour || !TakeChar(&rest, ':')) return NoTime(text);
    minute = TakeNumber(&rest, 2);
    if (!minute) return NoTime(text);
    if (TakeChar(&rest, ':')) {
      second = TakeNumber(&rest, 2);
      if (!second) return NoTime(text);
    }
  }
  while (TakeChar(&rest, ' ')) {
  }
  if (!rest.empty()) {
    const auto parsed = ParseZone(rest);
    if (!parsed) return NoTime(text);
    zone = *parsed;
  }

  const absl::CivilSecond civil(*year, *month, *day, hour.value_or(0), minute.value_or(0),
                                second.value_or(0));
  if (civil.year() != *year || civil.month() != *month || civil.day() != *day ||
      civil.hour() != hour.value_or(0) || civil.minute() != minute.value_or(0) ||
      civil.second() != second.value_or(0)) {
    return NoTime(text);  // the 31st of February
  }
  if (!hour) return absl::FromCivil(absl::CivilDay(civil) + 1, zone);
  if (!second) return absl::FromCivil(civil, zone) + absl::Minutes(1);
  return absl::FromCivil(civil, zone) + absl::Seconds(1);
}

absl::StatusOr<absl::Duration> ParseSpan(std::string_view text) {
  const auto refused = [&] {
    return Error(ErrorKind::kUsage, 1123,
                 fmt::format("'{}' is no span of time like 90s, 15m, 4h or 7d", Escaped(text, 60)));
  };
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end + 1 != text.data() + text.size() || number == 0) return refused();
  switch (*end) {
    case 's':
      return absl::Seconds(number);
    case 'm':
      return absl::Minutes(number);
    case 'h':
      return absl::Hours(number);
    case 'd':
      return absl::Hours(24) * number;
    default:
      return refused();
  }
}

}  // namespace holdfast::cli
