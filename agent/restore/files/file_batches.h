// The files of a plan, handed in batches to two workers; all other entries to the caller.
//
// Hides:      threads, the queue between them, the first error.
// Invariants: I1  Files come in manifest order within a batch, batches start in manifest order, and
//                 a directory is given to `other` before any file below it reaches a worker.
//             I2  When Run returns no worker runs any more.
// Threading:  `other` on the calling thread; each worker's function on one thread.
// Errors:     the first one of anybody, or Cancelled on stop.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/restore/files/restore_plan.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct PlannedFile {
  Entry entry;
  std::string path;  // where it goes
};
using FileBatch = std::vector<PlannedFile>;
using FileWorker = std::function<absl::Status(const FileBatch&)>;
using OtherVisit = std::function<absl::Status(const Entry&, const std::string& path)>;

absl::Status RunFileBatches(const SnapshotView& view, RestorePlan& plan,
                            const std::function<FileWorker()>& make_worker, const OtherVisit& other,
                            std::stop_token stop);

}  // namespace holdfast::restore
