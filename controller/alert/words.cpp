#include "controller/alert/words.h"

#include "fmt/format.h"

namespace holdfast::alert {

std::string TimeWords(absl::Time time) {
  if (time <= absl::UnixEpoch()) return "never";
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string SpanWords(absl::Duration duration) {
  const std::int64_t minutes = absl::ToInt64Minutes(duration);
  if (minutes < 1) return fmt::format("{} s", absl::ToInt64Seconds(duration));
  if (minutes < 60) return fmt::format("{} min", minutes);
  const std::int64_t hours = minutes / 60;
  if (hours >= 72) return fmt::format("{} days", hours / 24);
  if (minutes % 60 == 0) return fmt::format("{} h", hours);
  return fmt::format("{} h {} min", hours, minutes % 60);
}

std::string SizeWords(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 5; ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace holdfast::alert
