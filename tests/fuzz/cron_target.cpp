#include "common/base/error.h"
#include "controller/schedule/cron.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {

// A schedule, and after a line break perhaps the name of a zone.
void Cron(ByteView input) {
  const std::size_t end = input.find('\n');
  const auto cron = schedule::Cron::Parse(input.substr(0, end));
  if (!cron.ok()) {
    HOLDFAST_CHECK(ExitCodeOf(cron.status()) == 2);
    return;
  }
  absl::TimeZone zone = absl::UTCTimeZone();
  if (end != ByteView::npos) {
    const auto found = schedule::FindZone(std::string(input.substr(end + 1)));
    if (found.ok()) zone = *found;
  }
  absl::Time at = absl::FromUnixSeconds(1'767'744'000);
  for (int i = 0; i < 5; ++i) {
    const absl::Time next = cron->NextAfter(at, zone);
    HOLDFAST_CHECK(next > at);
    HOLDFAST_CHECK(absl::ToUnixSeconds(next) % 60 == 0);
    HOLDFAST_CHECK(cron->NextAfter(next - absl::Seconds(1), zone) == next);
    at = next;
  }
}

}  // namespace holdfast::fuzz
