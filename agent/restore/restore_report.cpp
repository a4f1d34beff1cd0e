#include "agent/restore/restore_report.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {

absl::Status StatusOf(const RestoreReport& report) {
  if (!report.mismatches.empty()) {
    const Problem& first = report.mismatches.front();
    return Error(
        ErrorKind::kIntegrity, 3002,
        fmt::format("unable to confirm the restore into '{}': {} of {} differ from the snapshot, "
                    "first '{}': {}",
                    Escaped(report.target), report.mismatches.size(), report.compared_items,
                    Escaped(first.path), first.reason),
        "The snapshot itself is untouched: run 'holdfast verify' on it, restore again, or choose "
        "another one.");
  }
  if (!report.skipped.empty()) {
    const Problem& first = report.skipped.front();
    return Error(
        ErrorKind::kPartial, 3003,
        fmt::format("unable to restore everything into '{}': {} left out, first '{}': {}",
                    Escaped(report.target), report.skipped.size(), Escaped(first.path),
                    first.reason),
        "All others are restored and compared; 'holdfast verify' lists every damaged entry.");
  }
  return absl::OkStatus();
}

}  // namespace holdfast::restore
