#include "common/report/age.h"

#include "fmt/format.h"

namespace holdfast::report {

std::string AgeText(absl::Duration age) {
  if (age < absl::ZeroDuration()) return "in the future";
  const std::int64_t seconds = absl::ToInt64Seconds(age);
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 48 * 3600) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d", seconds / 86400);
}

}  // namespace holdfast::report
