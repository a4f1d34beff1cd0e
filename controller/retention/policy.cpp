#include "controller/retention/policy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>

#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/config/values.h"
#include "fmt/format.h"

namespace holdfast::retention {
namespace {

constexpr std::uint32_t kMaxCount = 1'000'000;
constexpr std::size_t kManyRemovals = 5;
constexpr absl::Duration kClockMayGoBack = absl::Hours(1);
constexpr absl::Duration kMaxWithin = absl::Hours(24 * 366 * 100);

struct CountRule {
  const char* name;
  std::uint32_t Policy::*count;
};
constexpr std::array<CountRule, 7> kCounts = {{{"last", &Policy::last},
                                               {"hourly", &Policy::hourly},
                                               {"daily", &Policy::daily},
                                               {"weekly", &Policy::weekly},
                                               {"monthly", &Policy::monthly},
                                               {"yearly", &Policy::yearly},
                                               {"verified", &Policy::verified}}};

absl::Status Unreadable(std::string_view part, std::string_view why) {
  return Error(ErrorKind::kUsage, 5081,
               fmt::format("unable to read the retention policy: '{}' {}", Escaped(part), why),
               "Write for example: within=7d daily=7 weekly=4 monthly=12.");
}

std::string DurationText(absl::Duration duration) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds % 86'400 == 0) return fmt::format("{}d", seconds / 86'400);
  if (seconds % 3'600 == 0) return fmt::format("{}h", seconds / 3'600);
  if (seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  return fmt::format("{}s", seconds);
}

// The start of the period in which `when` lies: equal for two times of the same period.
using Period = absl::CivilSecond (*)(absl::CivilSecond);
absl::CivilSecond HourOf(absl::CivilSecond at) { return absl::CivilHour(at); }
absl::CivilSecond DayOf(absl::CivilSecond at) { return absl::CivilDay(at); }
absl::CivilSecond WeekOf(absl::CivilSecond at) {
  const absl::CivilDay day(at);
  return absl::PrevWeekday(day + 1, absl::Weekday::monday);
}
absl::CivilSecond MonthOf(absl::CivilSecond at) { return absl::CivilMonth(at); }
absl::CivilSecond YearOf(absl::CivilSecond at) { return absl::CivilYear(at); }

void Keep(Verdict* verdict, const std::string& reason) {
  verdict->reason += (verdict->keep ? "; " : "") + reason;
  verdict->keep = true;
}

struct PeriodRule {
  const char* word;
  Period period;
  std::uint32_t count;
};

void KeepPeriods(const PeriodRule& rule, const std::vector<Snapshot>& newest_first,
                 std::vector<Verdict>* verdicts) {
  std::set<absl::CivilSecond> seen;
  for (std::size_t i = 0; i < newest_first.size() && seen.size() < rule.count; ++i) {
    const absl::CivilSecond at =
        absl::ToCivilSecond(newest_first[i].committed_at, absl::UTCTimeZone());
    if (!seen.insert(rule.period(at)).second) continue;
    Keep(&(*verdicts)[i], fmt::format("{} {} of {}", rule.word, seen.size(), rule.count));
  }
}

}  // namespace

Policy DefaultPolicy(std::string_view kind) {
  const std::uint32_t days = kind == "postgres" || kind == "redis" ? 7 : 30;
  Policy policy;
  policy.within = absl::Hours(24 * days);
  policy.daily = days;
  return policy;
}

absl::StatusOr<Policy> ParsePolicy(std::string_view text) {
  Policy policy;
  std::set<std::string> seen;
  for (const auto part :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ' ', absl::SkipEmpty())) {
    const std::string whole(part);
    const std::size_t equals = whole.find('=');
    if (equals == std::string::npos) return Unreadable(whole, "has no value");
    const std::string name = whole.substr(0, equals);
    const std::string value = whole.substr(equals + 1);
    if (!seen.insert(name).second) return Unreadable(whole, "stands there twice");
    if (name == "within") {
      const auto duration = ParseDuration(value);
      if (!duration || *duration > kMaxWithin) return Unreadable(whole, "is no duration");
      policy.within = *duration;
      continue;
    }
    const auto rule = std::find_if(kCounts.begin(), kCounts.end(),
                                   [&](const CountRule& each) { return name == each.name; });
    if (rule == kCounts.end()) return Unreadable(whole, "is no rule");
    const auto number = ParseInteger(value);
    if (!number || *number < 0 || *number > kMaxCount) {
      return Unreadable(whole, "is no number from 0 to 1,000,000");
    }
    policy.*(rule->count) = static_cast<std::uint32_t>(*number);
  }
  RETURN_IF_ERROR(CheckPolicy(policy));
  return policy;
}

std::string PolicyText(const Policy& policy) {
  std::string text;
  if (policy.within > absl::ZeroDuration()) text = "within=" + DurationText(policy.within);
  for (const CountRule& rule : kCounts) {
    const std::uint32_t count = policy.*(rule.count);
    const bool shown = rule.count == &Policy::verified ? count != 1 : count != 0;
    if (shown) text += fmt::format("{}{}={}", text.empty() ? "" : " ", rule.name, count);
  }
  return text;
}

absl::Status CheckPolicy(const Policy& policy) {
  const bool keeps = policy.within > absl::ZeroDuration() || policy.last > 0 || policy.hourly > 0 ||
                     policy.daily > 0 || policy.weekly > 0 || policy.monthly > 0 ||
                     policy.yearly > 0;
  if (keeps) return absl::OkStatus();
  return Error(ErrorKind::kUsage, 5081,
               "unable to use the retention policy: it would remove everything but the newest "
               "snapshot",
               "Give at least one rule, for example --keep-last 1.");
}

std::vector<Verdict> Judge(const Policy& policy, std::vector<Snapshot> snapshots, absl::Time now) {
  std::sort(snapshots.begin(), snapshots.end(),
            [](const Snapshot& a, const Snapshot& b) { return a.seq > b.seq; });
  std::vector<Verdict> verdicts;
  for (const Snapshot& snapshot : snapshots) verdicts.push_back({snapshot.seq, false, ""});
  std::uint32_t verified = 0;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    const Snapshot& snapshot = snapshots[i];
    if (i == 0) Keep(&verdicts[i], "newest");
    if (snapshot.verified && verified < policy.verified) {
      ++verified;
      Keep(&verdicts[i], fmt::format("verified {} of {}", verified, policy.verified));
    }
    if (i < policy.last) Keep(&verdicts[i], fmt::format("last {} of {}", i + 1, policy.last));
    // One that seems to lie in the future was committed before the clock was set back.
    if (policy.within > absl::ZeroDuration() && now - snapshot.committed_at < policy.within) {
      Keep(&verdicts[i], "within " + DurationText(policy.within));
    }
  }
  const PeriodRule rules[] = {{"hour", HourOf, policy.hourly},
                              {"day", DayOf, policy.daily},
                              {"week", WeekOf, policy.weekly},
                              {"month", MonthOf, policy.monthly},
                              {"year", YearOf, policy.yearly}};
  for (const PeriodRule& rule : rules) KeepPeriods(rule, snapshots, &verdicts);
  for (Verdict& verdict : verdicts) {
    if (!verdict.keep) verdict.reason = "no rule keeps it";
  }
  return verdicts;
}

std::string Doubt(const std::vector<Snapshot>& snapshots, const std::vector<Verdict>& verdicts) {
  std::vector<Snapshot> newest_first = snapshots;
  std::sort(newest_first.begin(), newest_first.end(),
            [](const Snapshot& a, const Snapshot& b) { return a.seq > b.seq; });
  if (newest_first.size() >= 2 &&
      newest_first[0].content_bytes < newest_first[1].content_bytes / 2) {
    return fmt::format("snapshot {} has {} bytes, {} before it had {}: look whether data was lost",
                       newest_first[0].seq, newest_first[0].content_bytes, newest_first[1].seq,
                       newest_first[1].content_bytes);
  }
  const auto removals = static_cast<std::size_t>(std::count_if(
      verdicts.begin(), verdicts.end(), [](const Verdict& verdict) { return !verdict.keep; }));
  if (removals > kManyRemovals && removals * 2 > verdicts.size()) {
    return fmt::format("{} of {} snapshots would go at once", removals, verdicts.size());
  }
  return "";
}

bool ClockLeapt(absl::Time seen_last, absl::Time now) {
  return now - seen_last > kClockLeap || seen_last - now > kClockMayGoBack;
}

}  // namespace holdfast::retention
