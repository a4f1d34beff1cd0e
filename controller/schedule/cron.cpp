#include "controller/schedule/cron.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/config/values.h"
#include "fmt/format.h"

namespace holdfast::schedule {
namespace {

constexpr std::size_t kLongestText = 200;
constexpr int kDaysOfNineYears = 9 * 366;  // leap days are up to eight years apart
constexpr char kCronHint[] =
    "Write minute, hour, day, month, day of week: '0 2 * * *' is every day at 02:00. Also @hourly, "
    "@daily, @weekly, @monthly.";

struct Nickname {
  std::string_view name;
  std::string_view meaning;
};
constexpr Nickname kNicknames[] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                                   {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                                   {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                                   {"@annually", "0 0 1 1 *"}};
constexpr std::string_view kMonthNames[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdayNames[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int least;
  int most;
  std::span<const std::string_view> names;  // of least, least + 1, …
};
constexpr Field kMinute{"minute", 0, 59, {}};
constexpr Field kHour{"hour", 0, 23, {}};
constexpr Field kDay{"day of the month", 1, 31, {}};
const Field kMonth{"month", 1, 12, kMonthNames};
const Field kWeekday{"day of the week", 0, 7, kWeekdayNames};

absl::Status Refused(std::string_view text, const std::string& why) {
  return Error(ErrorKind::kUsage, 5090,
               fmt::format("unable to read the schedule '{}': {}", Escaped(text, 80), why),
               kCronHint);
}

std::optional<int> ReadValue(const Field& field, std::string_view text) {
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (absl::AsciiStrToLower(absl::string_view(text.data(), text.size())) ==
        absl::string_view(field.names[i].data(), field.names[i].size())) {
      return field.least + static_cast<int>(i);
    }
  }
  // Cron's numbers may begin with a zero: "05".
  const bool digits = !text.empty() && text.size() <= 2 &&
                      text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return std::nullopt;
  const int value = std::stoi(std::string(text));
  if (value < field.least || value > field.most) return std::nullopt;
  return value;
}

// "5", "1-5", "*", each with "/2" or without. Nullopt: it is none of these.
struct Run {
  int first;
  int last;
  int step;
};
std::optional<Run> ReadRun(const Field& field, std::string_view text) {
  Run run{field.least, field.most, 1};
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto step = ParseInteger(text.substr(slash + 1));
    if (!step || *step < 1 || *step > field.most) return std::nullopt;
    run.step = static_cast<int>(*step);
    text = text.substr(0, slash);
  }
  if (text == "*") return run;
  const std::size_t dash = text.find('-');
  const auto first = ReadValue(field, text.substr(0, dash));
  if (!first) return std::nullopt;
  run.first = *first;
  if (dash == std::string_view::npos) {
    if (slash == std::string_view::npos) run.last = run.first;
    return run;
  }
  auto last = ReadValue(field, text.substr(dash + 1));
  // "fri-sun": the week may end with Sunday too.
  if (last && *last == 0 && run.first > 0 && field.most == 7) last = 7;
  if (!last || *last < run.first) return std::nullopt;
  run.last = *last;
  return run;
}

template <std::size_t N>
absl::Status ReadField(std::string_view whole, const Field& field, std::string_view text,
                       std::bitset<N>* out) {
  for (const auto part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    const auto run = ReadRun(field, std::string_view(part.data(), part.size()));
    if (!run) {
      return Refused(whole, fmt::format("'{}' is no {}", Escaped(text, 40), field.name));
    }
    // 7 is Sunday too.
    for (int i = run->first; i <= run->last; i += run->step) {
      out->set(field.most == 7 ? static_cast<std::size_t>(i % 7) : static_cast<std::size_t>(i));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Cron> Cron::Parse(std::string_view text) {
  Cron cron;
  cron.text_ = std::string(text);
  if (text.size() > kLongestText) return Refused(text.substr(0, 40), "it is too long");
  std::string_view meaning = text;
  for (const Nickname& nickname : kNicknames) {
    if (text == nickname.name) meaning = nickname.meaning;
  }
  if (!meaning.empty() && meaning[0] == '@') return Refused(text, "this name is not known");
  const std::vector<std::string> fields = absl::StrSplit(
      absl::string_view(meaning.data(), meaning.size()), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (fields.size() != 5) {
    return Refused(text, fmt::format("it has {} fields instead of 5", fields.size()));
  }
  RETURN_IF_ERROR(ReadField(text, kMinute, fields[0], &cron.minutes_));
  RETURN_IF_ERROR(ReadField(text, kHour, fields[1], &cron.hours_));
  RETURN_IF_ERROR(ReadField(text, kDay, fields[2], &cron.days_));
  RETURN_IF_ERROR(ReadField(text, kMonth, fields[3], &cron.months_));
  RETURN_IF_ERROR(ReadField(text, kWeekday, fields[4], &cron.weekdays_));
  cron.any_day_ = fields[2][0] == '*';
  cron.any_weekday_ = fields[4][0] == '*';
  if (!cron.CanCome()) return Refused(text, "no such day ever comes");
  return cron;
}

bool Cron::MatchesDay(absl::CivilDay day) const {
  if (!months_[static_cast<std::size_t>(day.month())]) return false;
  const bool by_day = days_[static_cast<std::size_t>(day.day())];
  // absl::Weekday begins with Monday.
  const auto weekday = (static_cast<std::size_t>(absl::GetWeekday(day)) + 1) % 7;
  const bool by_weekday = weekdays_[weekday];
  if (any_day_ || any_weekday_) return by_day && by_weekday;
  return by_day || by_weekday;
}

bool Cron::CanCome() const {
  absl::CivilDay day(2000, 1, 1);
  for (int i = 0; i < kDaysOfNineYears; ++i, ++day) {
    if (MatchesDay(day)) return true;
  }
  return false;
}

absl::Time Cron::NextAfter(absl::Time after, absl::TimeZone zone) const {
  if (hours_.all()) return NextOfEveryHour(after, zone);
  // FromCivil is what I2 says, and never goes back as civil times go on: the first civil time whose
  // instant lies after `after` is the answer, and none before the one shown now can be it.
  const absl::CivilMinute now = absl::ToCivilMinute(after, zone);
  for (absl::CivilDay day(now);; ++day) {
    if (!MatchesDay(day)) {
      // Months that do not match are left at once: years may lie between two days.
      if (!months_[static_cast<std::size_t>(day.month())]) {
        day = absl::CivilDay(absl::CivilMonth(day) + 1) - 1;
      }
      continue;
    }
    for (int hour = 0; hour < 24; ++hour) {
      if (!hours_[static_cast<std::size_t>(hour)]) continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (!minutes_[static_cast<std::size_t>(minute)]) continue;
        const absl::CivilMinute at(day.year(), day.month(), day.day(), hour, minute);
        if (at < now) continue;
        const absl::Time instant = absl::FromCivil(at, zone);
        if (instant > after) return instant;
      }
    }
  }
}

absl::Time Cron::NextOfEveryHour(absl::Time after, absl::TimeZone zone) const {
  absl::Time at = absl::FromUnixSeconds((absl::ToUnixSeconds(after) / 60 + 1) * 60);
  for (;;) {
    const absl::CivilMinute shown = absl::ToCivilMinute(at, zone);
    if (!MatchesDay(absl::CivilDay(shown))) {
      absl::CivilDay next = absl::CivilDay(shown) + 1;
      if (!months_[static_cast<std::size_t>(shown.month())]) {
        next = absl::CivilDay(absl::CivilMonth(shown) + 1);
      }
      // Where midnight comes twice, the day has begun before.
      at = std::max(at + absl::Minutes(1), absl::FromCivil(next, zone));
      continue;
    }
    if (minutes_[static_cast<std::size_t>(shown.minute())]) return at;
    at += absl::Minutes(1);
  }
}

Cron::Passed Cron::PassedSince(absl::Time first, absl::Time now, absl::TimeZone zone) const {
  Passed passed{first, 0};
  for (;;) {
    const absl::Time next = NextAfter(passed.last, zone);
    if (next > now) return passed;
    if (passed.before == kMostCounted) {
      // Too many to count: the last one is looked for from near `now`.
      for (absl::Duration back = absl::Hours(1);; back *= 2) {
        const absl::Time found = NextAfter(std::max(passed.last, now - back), zone);
        if (found > now) continue;
        passed.last = found;
        while (true) {
          const absl::Time later = NextAfter(passed.last, zone);
          if (later > now) return passed;
          passed.last = later;
        }
      }
    }
    passed.last = next;
    ++passed.before;
  }
}

absl::StatusOr<absl::TimeZone> FindZone(const std::string& name) {
  absl::TimeZone zone;
  const bool plausible = !name.empty() && name.size() <= 64 && name[0] != '/' && name[0] != ':' &&
                         name.find("..") == std::string::npos;
  if (plausible && absl::LoadTimeZone(name, &zone)) return zone;
  return Error(ErrorKind::kUsage, 5091,
               fmt::format("unable to find the time zone '{}'", Escaped(name, 64)),
               "Write a name such as UTC or Europe/Berlin; 'timedatectl list-timezones' has all.");
}

}  // namespace holdfast::schedule
