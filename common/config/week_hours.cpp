#include "common/config/week_hours.h"

#include <algorithm>
#include <array>

#include "common/base/error.h"

namespace holdfast {
namespace {

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

absl::StatusOr<std::uint8_t> ReadDays(const ConfigNode& node) {
  if (!node.Has("days")) return std::uint8_t{0x7f};
  std::vector<std::string> texts;
  if (node.Find("days")->IsList()) {
    ASSIGN_OR_RETURN(texts, node.Texts("days"));
  } else {
    ASSIGN_OR_RETURN(texts.emplace_back(), node.Text("days"));
  }
  std::uint8_t days = 0;
  for (const std::string& text : texts) {
    const auto some = DaysOf(text);
    if (!some) {
      return node.Find("days")->Refuse("this is no day of the week, nor a range of them",
                                       "Write for example mon-fri, or [sat, sun].");
    }
    days = static_cast<std::uint8_t>(days | *some);
  }
  return days;
}

bool HasDay(const WeekHours& hours, absl::Weekday day) {
  return (hours.days >> static_cast<int>(day) & 1) != 0;
}

}  // namespace

bool Holds(const WeekHours& hours, absl::Time now, absl::TimeZone zone) {
  const absl::CivilMinute local = absl::ToCivilMinute(now, zone);
  const int minute = local.hour() * 60 + local.minute();
  const absl::Weekday today = absl::GetWeekday(local);
  if (hours.from_minute < hours.to_minute) {
    return HasDay(hours, today) && minute >= hours.from_minute && minute < hours.to_minute;
  }
  // Past midnight: the evening of today, or the morning after yesterday.
  const auto yesterday = static_cast<absl::Weekday>((static_cast<int>(today) + 6) % 7);
  return (HasDay(hours, today) && minute >= hours.from_minute) ||
         (HasDay(hours, yesterday) && minute < hours.to_minute);
}

absl::StatusOr<WeekHours> ReadWeekHours(const ConfigNode& node) {
  WeekHours hours;
  ASSIGN_OR_RETURN(hours.days, ReadDays(node));
  ASSIGN_OR_RETURN(hours.from_minute, ReadTimeOfDay(node, "from"));
  ASSIGN_OR_RETURN(hours.to_minute, ReadTimeOfDay(node, "to"));
  return hours;
}

absl::StatusOr<int> ReadTimeOfDay(const ConfigNode& node, std::string_view key) {
  ASSIGN_OR_RETURN(const std::string text, node.Text(key));
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() == 5 && text[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4)) {
    const int hour = (text[0] - '0') * 10 + (text[1] - '0');
    const int minute = (text[3] - '0') * 10 + (text[4] - '0');
    if (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))) return hour * 60 + minute;
  }
  return node.Find(key)->Refuse("this is not a time of day", "Write for example \"08:00\".");
}

}  // namespace holdfast
