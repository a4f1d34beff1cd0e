#include "agent/source/files/file_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/error.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kExtentLimit = 256 * 1024;  // keeps entries small; see MergeSmallHoles
constexpr absl::Duration kTimestampTick = absl::Milliseconds(12);

// Treats holes shorter than `hole_bytes` as data, so that a badly fragmented file stays
// describable.
void MergeSmallHoles(std::vector<Extent>* extents, std::uint64_t hole_bytes) {
  std::size_t kept = 0;
  for (std::size_t i = 1; i < extents->size(); ++i) {
    Extent& last = (*extents)[kept];
    const Extent& extent = (*extents)[i];
    if (extent.offset_bytes - (last.offset_bytes + last.length_bytes) < hole_bytes) {
      last.length_bytes = extent.offset_bytes + extent.length_bytes - last.offset_bytes;
    } else {
      (*extents)[++kept] = extent;
    }
  }
  extents->resize(std::min(extents->size(), kept + 1));
}

// What of `extents` the first `bytes` of content fill.
void KeepContent(std::vector<Extent>* extents, std::uint64_t bytes) {
  std::size_t kept = 0;
  for (; kept < extents->size() && bytes > 0; ++kept) {
    Extent& extent = (*extents)[kept];
    extent.length_bytes = std::min(extent.length_bytes, bytes);
    bytes -= extent.length_bytes;
  }
  extents->resize(kept);
}

}  // namespace

std::optional<std::vector<Extent>> DataExtents(int fd, const struct stat& info) {
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size == 0 || static_cast<std::uint64_t>(info.st_blocks) * 512 >= size) return std::nullopt;
  std::vector<Extent> extents;
  std::uint64_t hole_bytes = 0;
  for (std::uint64_t at = 0; at < size;) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) return std::nullopt;  // the file system does not tell: read it as a whole
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole <= data) break;
    const auto begin = static_cast<std::uint64_t>(data);
    const std::uint64_t end = std::min(static_cast<std::uint64_t>(hole), size);
    if (begin >= end) break;
    extents.push_back({begin, end - begin});
    at = end;
    if (extents.size() > kExtentLimit) {
      hole_bytes = std::max<std::uint64_t>(64 * 1024, 2 * hole_bytes);
      MergeSmallHoles(&extents, hole_bytes);
    }
  }
  // A compressing file system reports few blocks for files without holes.
  if (extents.size() == 1 && extents[0] == Extent{0, size}) return std::nullopt;
  return extents;
}

absl::StatusOr<ReadOutcome> FileReader::Store(const std::string& path, int directory_fd,
                                              const char* name, std::stop_token stop) {
  ReadOutcome outcome;
  for (unsigned repeats = 0;; ++repeats) {
    ASSIGN_OR_RETURN(Attempt attempt, TryOnce(path, directory_fd, name, stop));
    outcome.xattrs_error = attempt.xattrs_error;
    if (attempt.error_number != 0) {
      outcome.state = ReadOutcome::State::kUnreadable;
      outcome.error_number = attempt.error_number;
      return outcome;
    }
    if (attempt.changed && repeats < retries_) {
      RETURN_IF_ERROR(lane_.Abandon());
      if (!clock_.SleepFor(absl::Milliseconds(10) * (repeats + 1), stop)) {
        return absl::CancelledError("the backup was stopped");
      }
      continue;
    }
    outcome.bytes = attempt.bytes;
    attempt.entry.inconsistent = attempt.changed;
    if (attempt.changed) outcome.state = ReadOutcome::State::kStoredInconsistent;
    const bool own_chunks = attempt.bytes >= kOwnChunksBytes;
    RETURN_IF_ERROR(lane_.End(std::move(attempt.entry)));
    if (own_chunks) RETURN_IF_ERROR(lane_.Cut());  // I4
    return outcome;
  }
}

// On return without an error the lane's content is open, unless error_number is set.
absl::StatusOr<FileReader::Attempt> FileReader::TryOnce(const std::string& path, int directory_fd,
                                                        const char* name, std::stop_token stop) {
  Attempt attempt;
  UniqueFd fd;
  struct stat before {};
  attempt.error_number = Open(directory_fd, name, &fd, &before);
  if (attempt.error_number != 0) return attempt;
  Settle(fd, &before, stop);
  attempt.entry = metadata_.EntryOf(path, before);
  attempt.entry.extents = DataExtents(fd.get(), before);
  attempt.xattrs_error = metadata_.ReadXattrs(fd.get(), &attempt.entry.xattrs);
  if (before.st_size >= static_cast<off_t>(kOwnChunksBytes)) RETURN_IF_ERROR(lane_.Cut());  // I4

  RETURN_IF_ERROR(lane_.Begin());
  RETURN_IF_ERROR(Copy(fd, &attempt, stop));
  struct stat after {};
  if (attempt.error_number == 0 && ::fstat(fd.get(), &after) != 0) attempt.error_number = errno;
  if (attempt.error_number != 0) {
    RETURN_IF_ERROR(lane_.Abandon());
    return attempt;
  }
  attempt.changed = !SameState(before, after);
  return attempt;
}

int FileReader::Open(int directory_fd, const char* name, UniqueFd* fd, struct stat* info) {
  // O_NONBLOCK: what was a file a moment ago may be a FIFO now, and must not block us.
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  *fd = UniqueFd(::openat(directory_fd, name, flags | (keep_access_time_ ? O_NOATIME : 0)));
  if (!fd->valid() && errno == EPERM && keep_access_time_) {
    *fd = UniqueFd(::openat(directory_fd, name, flags));  // O_NOATIME is for owners and root only
    if (fd->valid()) keep_access_time_ = ::geteuid() == 0;
  }
  if (!fd->valid()) return errno;
  if (::fstat(fd->get(), info) != 0) return errno;
  if (!S_ISREG(info->st_mode)) return ESTALE;
  if (info->st_size >= static_cast<off_t>(kOwnChunksBytes)) {
    // The application's cached pages must survive the backup: NOREUSE, never DONTNEED.
    (void)::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    (void)::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_NOREUSE);
  }
  return 0;
}

// Timestamps advance in ticks of a few milliseconds: a write in the tick of the last change leaves
// ctime as it is. Reading begins only when that tick is over, so that an equal ctime afterwards,
// and in the next run, proves equal content.
void FileReader::Settle(const UniqueFd& fd, struct stat* info, std::stop_token stop) {
  const absl::Duration age = clock_.Now() - absl::TimeFromTimespec(info->st_ctim);
  if (age >= kTimestampTick || age < -kTimestampTick) return;
  (void)clock_.SleepFor(kTimestampTick - std::max(age, absl::ZeroDuration()), stop);
  (void)::fstat(fd.get(), info);
}

absl::Status FileReader::Copy(const UniqueFd& fd, Attempt* attempt, std::stop_token stop) {
  Entry& entry = attempt->entry;
  if (!entry.extents) {
    ASSIGN_OR_RETURN(attempt->bytes, CopyRange(fd, {0, entry.size_bytes}, attempt, stop));
    entry.size_bytes = attempt->bytes;
    return absl::OkStatus();
  }
  for (const Extent& extent : *entry.extents) {
    ASSIGN_OR_RETURN(const std::uint64_t copied, CopyRange(fd, extent, attempt, stop));
    attempt->bytes += copied;
    if (copied < extent.length_bytes) break;
  }
  KeepContent(&*entry.extents, attempt->bytes);
  return absl::OkStatus();
}

// The bytes copied: fewer than asked for when the file ends before, or with error_number set.
absl::StatusOr<std::uint64_t> FileReader::CopyRange(const UniqueFd& fd, Extent range,
                                                    Attempt* attempt, std::stop_token stop) {
  std::uint64_t copied = 0;
  while (copied < range.length_bytes) {
    if (stop.stop_requested()) return absl::CancelledError("the backup was stopped");
    const std::size_t wanted = std::min<std::uint64_t>(kReadBytes, range.length_bytes - copied);
    ASSIGN_OR_RETURN(const std::span<char> window, lane_.Prepare(wanted));
    ssize_t got = -1;
    do {
      got = ::pread(fd.get(), window.data(), std::min(window.size(), wanted),
                    static_cast<off_t>(range.offset_bytes + copied));
    } while (got < 0 && errno == EINTR);
    if (got < 0) attempt->error_number = errno;
    RETURN_IF_ERROR(lane_.Commit(got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got <= 0) break;
    copied += static_cast<std::uint64_t>(got);
  }
  return copied;
}

}  // namespace holdfast::source
