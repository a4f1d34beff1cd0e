#include "controller/retention/collector_thread.h"

#include "common/base/error.h"
#include "common/log/log.h"

namespace holdfast::retention {
namespace {

constexpr absl::Duration kEvery = absl::Hours(24);
constexpr absl::Duration kAfterFailure = absl::Hours(1);
constexpr absl::Duration kLook = absl::Seconds(1);

void LogReport(const CollectionReport& report) {
  for (const std::string& note : report.notes) log::Warn("retention: {}", note);
  if (report.trashed.empty() && report.purged.empty() && report.removed_packs == 0 &&
      report.swept_chunks == 0) {
    return;
  }
  log::Info(
      "retention: {} snapshots to the trash, {} purged, {} chunks and {} packs removed, "
      "{} packs copied together, {} bytes freed",
      report.trashed.size(), report.purged.size(), report.swept_chunks, report.removed_packs,
      report.repacked_packs, report.freed_bytes);
}

}  // namespace

CollectorThread::CollectorThread(Clock& clock, Collector& collector)
    : clock_(clock),
      collector_(collector),
      thread_([this](std::stop_token stop) { Work(std::move(stop)); }) {}

CollectorThread::~CollectorThread() = default;

void CollectorThread::Work(std::stop_token stop) {
  absl::Duration due = clock_.Monotonic() + kEvery;
  while (clock_.SleepFor(kLook, stop)) {
    if (!woken_.exchange(false) && clock_.Monotonic() < due) continue;
    const auto report = collector_.Run(Collector::Pace::kGentle, stop);
    due = clock_.Monotonic() + (report.ok() ? kEvery : kAfterFailure);
    if (report.ok()) {
      LogReport(*report);
    } else if (!absl::IsCancelled(report.status())) {
      log::Failure(report.status());
    }
  }
}

}  // namespace holdfast::retention
