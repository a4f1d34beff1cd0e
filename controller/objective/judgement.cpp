#include "controller/objective/judgement.h"

#include <algorithm>

namespace holdfast::objective {
namespace {

constexpr std::uint64_t kTellingBytes = 64u << 20;

}  // namespace

State JudgeAge(absl::Duration age, absl::Duration rpo) {
  if (age <= rpo) return State::kMet;
  return age <= rpo + rpo / 24 ? State::kLate : State::kBroken;
}

RestoreEstimate EstimateRestore(std::uint64_t bytes,
                                const std::optional<catalog::RestoreMeasure>& measure) {
  if (measure && measure->bytes > 0 &&
      (measure->bytes >= kTellingBytes || measure->bytes >= bytes / 10)) {
    const double factor =
        std::max(1.0, static_cast<double>(bytes) / static_cast<double>(measure->bytes));
    return {absl::Milliseconds(static_cast<double>(measure->duration_ms) * factor), true};
  }
  return {kAssumedStart + absl::Seconds(static_cast<double>(bytes) / kAssumedBytesPerSecond),
          false};
}

}  // namespace holdfast::objective
