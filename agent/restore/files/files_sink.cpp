#include "agent/restore/files/files_sink.h"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>

#include "agent/restore/files/entry_comparer.h"
#include "agent/restore/files/entry_writer.h"
#include "agent/restore/files/file_batches.h"
#include "agent/restore/files/restore_plan.h"
#include "agent/restore/files/target_policy.h"
#include "common/base/error.h"
#include "common/concurrency/start_thread.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

// One restore: content first, then links, then what directories say about themselves, then proof.
class FilesRestore {
 public:
  FilesRestore(const SnapshotView& view, const FilesRestoreOptions& options, Target target,
               RestorePlan plan, RestoreLedger& ledger, RestoreProgress& progress,
               std::stop_token stop)
      : view_(view),
        options_(options),
        target_(std::move(target)),
        plan_(std::move(plan)),
        ledger_(ledger),
        policy_(options, ledger),
        progress_(progress),
        stop_(stop) {}

  absl::StatusOr<RestoreReport> Run() {
    progress_.ExpectTotal(plan_.content_bytes(), plan_.entry_count());
    progress_.Step("restoring files");
    RETURN_IF_ERROR(WriteFiles());
    RETURN_IF_ERROR(MakeLinks());
    RETURN_IF_ERROR(FinishDirectories());
    progress_.Step("comparing files with the snapshot");
    // What was written goes to the disk while it is being compared.
    int sync_error = 0;
    {
      const auto sync = [&] { sync_error = ::syncfs(target_.fd.get()) == 0 ? 0 : errno; };
      std::jthread beside;
      if (!StartThread(&beside, [&](const std::stop_token&) { sync(); }).ok()) sync();
      RETURN_IF_ERROR(Compare());
    }
    if (sync_error != 0) {
      return ErrnoError(sync_error, sync_error == ENOSPC ? 3304 : 3305,
                        fmt::format("unable to write '{}' to disk", Escaped(target_.path)));
    }
    return ledger_.Report(target_.path);
  }

 private:
  struct Planned {
    Entry entry;
    std::string path;
  };

  EntryWriter MakeWriter() {
    return EntryWriter(view_, target_.fd.get(), options_, policy_, ledger_);
  }

  absl::Status WriteFiles() {
    EntryWriter directory_writer = MakeWriter();
    const auto make_worker = [this]() -> FileWorker {
      auto writer = std::make_shared<EntryWriter>(MakeWriter());
      return [this, writer](const FileBatch& batch) { return WriteBatch(*writer, batch); };
    };
    const auto other = [&](const Entry& entry, const std::string& path) -> absl::Status {
      switch (entry.type) {
        case EntryType::kDirectory:
          directories_.push_back(entry);
          return directory_writer.MakeDirectory(entry);
        case EntryType::kHardlink:
          hardlinks_.push_back({entry, path});
          return absl::OkStatus();
        default:
          links_.push_back({entry, path});
          return absl::OkStatus();
      }
    };
    return RunFileBatches(view_, plan_, make_worker, other, stop_);
  }

  absl::Status WriteBatch(EntryWriter& writer, const FileBatch& batch) {
    std::vector<const Entry*> entries;
    std::uint64_t bytes = 0;
    for (const PlannedFile& file : batch) {
      entries.push_back(&file.entry);
      bytes += file.entry.content_bytes;
    }
    view_.Prefetch(entries);
    for (const PlannedFile& file : batch) {
      if (stop_.stop_requested()) return absl::CancelledError("the restore was stopped");
      RETURN_IF_ERROR(writer.WriteFile(file.entry, file.path));
    }
    progress_.Progressed(bytes, batch.size());
    return absl::OkStatus();
  }

  // After all content, so that no path of ours can lead through a link of ours.
  absl::Status MakeLinks() {
    EntryWriter writer = MakeWriter();
    for (const Planned& link : links_) {
      RETURN_IF_ERROR(writer.MakeSymlinkOrSpecial(link.entry, link.path));
    }
    for (const Planned& link : hardlinks_) {
      if (ledger_.IsLeftOut(link.entry.link_target)) {
        ledger_.LeftOut(link.entry.path, "the file it is a link to was not restored");
        continue;
      }
      const std::string content = plan_.ContentPath(link.entry.link_target);
      RETURN_IF_ERROR(writer.MakeHardlink(link.entry, link.path, ledger_.ActualPath(content)));
    }
    progress_.Progressed(0, links_.size() + hardlinks_.size());
    return absl::OkStatus();
  }

  // Deepest first: a directory's time and rights are set when nothing below it changes any more.
  absl::Status FinishDirectories() {
    EntryWriter writer = MakeWriter();
    for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
      RETURN_IF_ERROR(writer.FinishDirectory(*directory));
    }
    progress_.Progressed(0, directories_.size());
    return absl::OkStatus();
  }

  absl::Status Compare() {
    const auto make_worker = [this]() -> FileWorker {
      auto comparer = std::make_shared<EntryComparer>(target_.fd.get(), policy_, ledger_);
      return [this, comparer](const FileBatch& batch) {
        for (const PlannedFile& file : batch) {
          if (stop_.stop_requested()) return absl::CancelledError("the restore was stopped");
          comparer->CompareFile(
              file.entry, file.path,
              plan_.IsLinkTarget(file.entry.path) ? LinkTarget::kYes : LinkTarget::kNo);
        }
        return absl::OkStatus();
      };
    };
    const auto other = [](const Entry&, const std::string&) { return absl::OkStatus(); };
    RETURN_IF_ERROR(RunFileBatches(view_, plan_, make_worker, other, stop_));
    EntryComparer comparer(target_.fd.get(), policy_, ledger_);
    for (const Planned& link : links_) comparer.CompareSymlinkOrSpecial(link.entry, link.path);
    for (const Planned& link : hardlinks_) {
      comparer.CompareHardlink(link.entry, link.path, plan_.ContentPath(link.entry.link_target));
    }
    for (const Entry& directory : directories_) comparer.CompareDirectory(directory);
    return absl::OkStatus();
  }

  const SnapshotView& view_;
  const FilesRestoreOptions& options_;
  const Target target_;
  RestorePlan plan_;
  RestoreLedger& ledger_;
  MetadataPolicy policy_;
  RestoreProgress& progress_;
  const std::stop_token stop_;

  std::vector<Entry> directories_;  // in manifest order
  std::vector<Planned> links_;      // symlinks and special files
  std::vector<Planned> hardlinks_;
};

}  // namespace

absl::StatusOr<RestoreReport> RestoreFiles(const SnapshotView& view,
                                           const FilesRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop) {
  RestoreLedger ledger;
  // Before the target: a manifest that does not read, or paths that fit nothing, make no directory.
  ASSIGN_OR_RETURN(RestorePlan plan, RestorePlan::Make(view, options, ledger));
  ASSIGN_OR_RETURN(Target target, OpenTarget(options));
  FilesRestore restore(view, options, std::move(target), std::move(plan), ledger, progress, stop);
  return restore.Run();
}

}  // namespace holdfast::restore
