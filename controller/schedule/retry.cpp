#include "controller/schedule/retry.h"

#include "common/base/error.h"

namespace holdfast::schedule {
namespace {

constexpr absl::Duration kFirstDelay = absl::Minutes(5);

}  // namespace

absl::Duration RetryDelay(std::uint64_t number) {
  HOLDFAST_CHECK(number >= 1 && number <= kMostRetries);
  return kFirstDelay * (std::int64_t{1} << (number - 1));
}

bool MayPass(std::uint32_t exit_code) {
  switch (static_cast<ErrorKind>(exit_code)) {
    case ErrorKind::kFailed:
    case ErrorKind::kConflict:
    case ErrorKind::kUnreachable:
    case ErrorKind::kSource:
    case ErrorKind::kNoSpace:
      return true;
    case ErrorKind::kUsage:
    case ErrorKind::kPartial:
    case ErrorKind::kRefused:
    case ErrorKind::kIntegrity:
    case ErrorKind::kNotFound:
    case ErrorKind::kCheckFailed:
    case ErrorKind::kPermission:
      return false;
  }
  return false;  // of a newer agent
}

}  // namespace holdfast::schedule
