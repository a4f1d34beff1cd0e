#include "controller/schedule/look.h"

namespace holdfast::schedule {

Look LookAt(const Plan& plan, absl::Duration offset, const Standing& standing, absl::Time now) {
  Look look;
  look.due = standing.due;
  if (standing.due != absl::InfinitePast() && standing.due + offset <= now) {
    const Cron::Passed passed = plan.cron.PassedSince(standing.due, now - offset, plan.zone);
    look.fire = true;
    look.handled = passed.last;
    look.passed = passed.before;
    look.due = plan.cron.NextAfter(passed.last, plan.zone);
  } else if (standing.due > now || standing.due == absl::InfinitePast()) {
    const bool set_back = standing.handled > now && standing.handled - now <= kSameTime;
    look.due = plan.cron.NextAfter(set_back ? standing.handled : now, plan.zone);
  }
  return look;
}

absl::Duration OffsetOf(const SourceId& source, absl::Duration jitter) {
  std::uint64_t number = 0;
  for (const char byte : source.view().substr(0, 8)) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  const auto most = static_cast<std::uint64_t>(absl::ToInt64Seconds(jitter));
  return absl::Seconds(static_cast<std::int64_t>(number % (most + 1)));
}

}  // namespace holdfast::schedule
