#include "agent/restore/files/file_batches.h"

#include <thread>

#include "common/concurrency/byte_queue.h"
#include "common/concurrency/first_error.h"
#include "common/concurrency/start_thread.h"

namespace holdfast::restore {
namespace {

constexpr int kWorkers = 2;
constexpr std::size_t kBatchFiles = 64;
constexpr std::uint64_t kBatchContentBytes = 8u << 20;
constexpr std::size_t kQueueBytes = 8u << 20;  // of entries, not of content

std::size_t WeightOf(const PlannedFile& file) {
  return sizeof(PlannedFile) + file.path.size() + file.entry.slices.size() * sizeof(Slice) +
         (file.entry.extents ? file.entry.extents->size() * sizeof(Extent) : 0);
}

}  // namespace

absl::Status RunFileBatches(const SnapshotView& view, RestorePlan& plan,
                            const std::function<FileWorker()>& make_worker, const OtherVisit& other,
                            std::stop_token stop) {
  FirstError error;
  ByteQueue<FileBatch> queue(kQueueBytes);
  const std::stop_callback forward(
      stop, [&] { error.Report(absl::CancelledError("the restore was stopped")); });
  std::vector<std::jthread> workers;
  error.Report(StartThreads(kWorkers, &workers, [&]() -> std::function<void()> {
    return [&, work = make_worker()] {
      while (auto batch = queue.Pop(error.stop_token())) error.Report(work(*batch));
    };
  }));
  FileBatch batch;
  std::uint64_t content_bytes = 0;
  std::size_t weight = 0;
  const auto flush = [&]() -> absl::Status {
    const std::size_t bytes = std::exchange(weight, 0);
    content_bytes = 0;
    if (!queue.Push(std::exchange(batch, {}), bytes, error.stop_token())) return error.status();
    return absl::OkStatus();
  };
  plan.BeginPass();
  error.Report(view.ForEachEntryAsStored([&](const Entry& entry) -> absl::Status {
    if (error.stop_token().stop_requested()) return error.status();
    std::optional<std::string> path = plan.Destination(entry);
    if (!path) return absl::OkStatus();
    if (entry.type != EntryType::kFile) return other(entry, *path);
    batch.push_back({entry, *std::move(path)});
    content_bytes += entry.content_bytes;
    weight += WeightOf(batch.back());
    return batch.size() >= kBatchFiles || content_bytes >= kBatchContentBytes ? flush()
                                                                              : absl::OkStatus();
  }));
  if (!batch.empty() && error.status().ok()) error.Report(flush());
  queue.Close();
  workers.clear();  // joins
  return error.status();
}

}  // namespace holdfast::restore
