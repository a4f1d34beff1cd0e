#include "controller/store/store_files.h"

#include <utility>

#include "common/base/error.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

// Readers ask for an open pack that was finished a moment ago: by then the catalog knows its name.
constexpr std::size_t kFinishedRemembered = 4096;

}  // namespace

absl::Status StoreFiles::CheckWritable(std::uint64_t bytes) const {
  if (!writable()) {
    return Error(ErrorKind::kUnreachable, 5011,
                 fmt::format("unable to write to store '{}': an earlier write failed and the disk "
                             "has not passed a probe since",
                             Escaped(root)),
                 WhereToLook() + "; restores still work.");
  }
  ASSIGN_OR_RETURN(const std::uint64_t free_bytes, FreeBytes());
  if (free_bytes < kReserveBytes + bytes) {
    return Error(ErrorKind::kNoSpace, 5012,
                 fmt::format("unable to write to store '{}': {} MiB are free, {} MiB of them are "
                             "kept for the catalog and for deletions",
                             Escaped(root), free_bytes >> 20, kReserveBytes >> 20),
                 "Free some space or enlarge the volume; restores still work.");
  }
  return absl::OkStatus();
}

// Open packs are on the disk also when the store is a bucket.
absl::StatusOr<std::uint64_t> StoreFiles::FreeBytes() const {
  return fs.FreeBytes(fs.IsObjectStore(root) ? staging : root);
}

std::string StoreFiles::WhereToLook() const {
  return fs.IsObjectStore(root) ? "See whether the storage service is well and takes the key"
                                : "Look at the kernel log for disk errors";
}

bool StoreFiles::IsOfService(const absl::Status& status) const {
  return fs.IsObjectStore(root) && KindOf(status) != ErrorKind::kFailed;
}

absl::Status StoreFiles::AfterWrite(absl::Status status) {
  if (status.ok() || KindOf(status) == ErrorKind::kNoSpace) return status;
  return AfterSync(std::move(status));
}

absl::Status StoreFiles::AfterSync(absl::Status status) {
  if (status.ok()) return status;
  const bool first = writable_.exchange(false);
  if (KindOf(status) == ErrorKind::kNoSpace) return status;
  if (IsOfService(status)) {
    if (first) log::Failure(status);
    return status;
  }
  absl::Status told =
      Error(ErrorKind::kUnreachable, 5010,
            fmt::format("unable to write to store '{}': {}", Escaped(root), MessageOf(status)),
            WhereToLook() + "; nothing unconfirmed was kept.");
  if (first) log::Failure(told);
  return told;
}

absl::Status StoreFiles::Probe() {
  const std::string path = JoinPath(staging, "probe.tmp");
  const auto attempt = [&]() -> absl::Status {
    if (fs.Exists(path)) RETURN_IF_ERROR(fs.Remove(path));
    ASSIGN_OR_RETURN(const auto file, fs.Create(path));
    RETURN_IF_ERROR(file->Append(Bytes(64 * 1024, 'p')));
    RETURN_IF_ERROR(file->Sync());
    RETURN_IF_ERROR(fs.Remove(path));
    RETURN_IF_ERROR(fs.SyncDirectory(staging));
    if (!fs.IsObjectStore(root)) return fs.SyncDirectory(root);
    RETURN_IF_ERROR(fs.WriteAtomically(JoinPath(root, "probe"), "p"));
    absl::Status removed = fs.Remove(JoinPath(root, "probe"));
    // With credentials that only add it stays.
    return KindOf(removed) == ErrorKind::kPermission ? absl::OkStatus() : removed;
  };
  const absl::Status status = attempt();
  writable_ = status.ok();
  if (status.ok() || IsOfService(status) || KindOf(status) == ErrorKind::kNoSpace) {
    return WithContext(status, "unable to probe the store");
  }
  // Whatever the disk answers, it may pass, as with the write that failed before.
  return Error(ErrorKind::kUnreachable, 5010,
               fmt::format("unable to probe the store: {}", MessageOf(status)), HintOf(status));
}

void StoreFiles::AddUnmoved(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  unmoved_.insert(number);
}

std::set<std::uint64_t> StoreFiles::TakeUnmoved() {
  std::lock_guard lock(mutex_);
  return std::exchange(unmoved_, {});
}

void StoreFiles::RememberFinished(std::uint64_t number, const PackName& name) {
  std::lock_guard lock(mutex_);
  finished_[number] = name;
  if (finished_.size() > kFinishedRemembered) finished_.erase(finished_.begin());
}

std::optional<PackName> StoreFiles::Finished(std::uint64_t number) const {
  std::lock_guard lock(mutex_);
  const auto found = finished_.find(number);
  if (found == finished_.end()) return std::nullopt;
  return found->second;
}

}  // namespace holdfast::store
