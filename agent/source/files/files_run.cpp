#include "agent/source/files/files_run.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr std::uint64_t kProgressItems = 256;
constexpr std::size_t kNotesLimit = 100;

std::string ReasonOf(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "it vanished during the backup";
    case ESTALE:
      return "it was replaced or moved during the backup";
    case ELOOP:
      return "it is mounted inside itself, or became a symbolic link during the backup";
    case ENAMETOOLONG:
      return "its path is longer than 64 KiB";
    default:
      return std::strerror(error_number);
  }
}

// The kernel's own answer, which also knows bind mounts of the same file system.
bool IsMountPoint(int fd) {
  struct statx info {};
  return ::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &info) == 0 &&
         (info.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool IsUnchanged(const Entry& previous, const struct stat& info) {
  return previous.type == EntryType::kFile && !previous.inconsistent && previous.ctime_ns != 0 &&
         previous.device_id == info.st_dev && previous.inode == info.st_ino &&
         previous.size_bytes == static_cast<std::uint64_t>(info.st_size) &&
         previous.mtime_ns == Nanoseconds(info.st_mtim) &&
         previous.ctime_ns == Nanoseconds(info.st_ctim);
}

bool IsBelow(std::string_view path, std::string_view directory) {
  return directory.empty() || (path.size() > directory.size() && path[directory.size()] == '/' &&
                               path.compare(0, directory.size(), directory) == 0);
}

}  // namespace

FilesRun::FilesRun(const FilesOptions& options, const PathFilter& filter, Clock& clock,
                   SnapshotBuilder& builder, std::stop_token stop)
    : options_(options),
      filter_(filter),
      builder_(builder),
      stop_(stop),
      lane_(builder.OpenLane()),
      reader_(*lane_, metadata_, clock, options.read_retries) {}

absl::StatusOr<SourceResult> FilesRun::ReadTree(UniqueFd root, const struct stat& info) {
  root_device_ = info.st_dev;
  Entry entry = metadata_.EntryOf("", info);
  ReportXattrs("", metadata_.ReadXattrs(root.get(), &entry.xattrs));
  const std::optional<Entry> previous = builder_.Previous("");
  ++directory_count_;
  RETURN_IF_ERROR(AddEntry(std::move(entry)));
  RETURN_IF_ERROR(TreeWalker(*this).Walk(std::move(root), stop_));
  const bool moved =
      previous && (previous->device_id != info.st_dev || previous->inode != info.st_ino);
  if (moved && file_count_ == 0 && directory_count_ == 1) {
    return Error(ErrorKind::kSource, 2302,
                 fmt::format("unable to read root '{}': it is empty and not the directory it was "
                             "last time",
                             Escaped(options_.root)),
                 "Is it unmounted?");
  }
  builder_.Progressed(pending_bytes_, pending_items_);
  return Result(info);
}

absl::StatusOr<SourceResult> FilesRun::ReadOne(int directory_fd, const std::string& name) {
  struct stat info {};
  if (::fstatat(directory_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return VisitUnreadable("", errno, nullptr);
  }
  root_device_ = info.st_dev;
  builder_.ExpectTotal(static_cast<std::uint64_t>(info.st_size), 1);
  RETURN_IF_ERROR(VisitFile(name, directory_fd, name.c_str(), info));
  if (file_count_ == 0) return VisitUnreadable("", EACCES, nullptr);
  builder_.Progressed(pending_bytes_, pending_items_);
  return Result(info);
}

bool FilesRun::Wants(const std::string& path, PathType type) {
  if (filter_.TakesAll()) return true;
  verdict_ = filter_.Judge(path, type);
  return verdict_ != PathFilter::Verdict::kOut;
}

absl::StatusOr<TreeVisitor::Descend> FilesRun::VisitDirectory(const std::string& path, int fd,
                                                              const struct stat& info) {
  if (!ValidatePath(path).ok()) {
    RETURN_IF_ERROR(Skip(path, ENAMETOOLONG));
    return Descend::kNo;
  }
  Entry entry = metadata_.EntryOf(path, info);
  ReportXattrs(path, metadata_.ReadXattrs(fd, &entry.xattrs));
  if (verdict_ == PathFilter::Verdict::kThrough) {
    while (!parents_.empty() && !IsBelow(path, parents_.back().path)) parents_.pop_back();
    parents_.push_back(std::move(entry));
  } else {
    ++directory_count_;
    RETURN_IF_ERROR(AddEntry(std::move(entry)));
  }
  if (options_.one_file_system && (info.st_dev != root_device_ || IsMountPoint(fd))) {
    if (notes_.size() < kNotesLimit) {
      notes_.push_back(fmt::format("'{}' is a mount point and was not entered", Escaped(path)));
    }
    return Descend::kNo;
  }
  return Descend::kYes;
}

absl::Status FilesRun::VisitOther(const std::string& path, int directory_fd, const char* name,
                                  const struct stat& info) {
  if (!ValidatePath(path).ok()) return Skip(path, ENAMETOOLONG);
  if (S_ISREG(info.st_mode)) return VisitFile(path, directory_fd, name, info);
  Entry entry = metadata_.EntryOf(path, info);
  if (S_ISLNK(info.st_mode)) {
    std::string target(static_cast<std::size_t>(info.st_size) + 1, '\0');
    for (;;) {
      const ssize_t size = ::readlinkat(directory_fd, name, target.data(), target.size());
      if (size < 0) return Skip(path, errno);
      if (static_cast<std::size_t>(size) < target.size()) {
        target.resize(static_cast<std::size_t>(size));
        break;
      }
      target.resize(2 * target.size());  // procfs gives links a size of 0
    }
    entry.link_target = std::move(target);
  }
  ReportXattrs(path, metadata_.ReadXattrsOf(directory_fd, name, &entry.xattrs));
  ++file_count_;
  RETURN_IF_ERROR(AddEntry(std::move(entry)));
  Count(0);
  return absl::OkStatus();
}

absl::Status FilesRun::VisitUnreadable(const std::string& path, int error_number,
                                       const struct stat* info) {
  if (path.empty()) {
    return Error(
        ErrorKind::kSource, 2301,
        fmt::format("unable to read root '{}': {}", Escaped(options_.root), ReasonOf(error_number)),
        "Check the path, its permissions, and that its volume is mounted.");
  }
  // A directory that may not be entered is still there: a restore brings it back, empty.
  if (info != nullptr && S_ISDIR(info->st_mode) && verdict_ == PathFilter::Verdict::kIn &&
      error_number != ENOENT && ValidatePath(path).ok()) {
    ++directory_count_;
    RETURN_IF_ERROR(AddEntry(metadata_.EntryOf(path, *info)));
  }
  return Skip(path, error_number);
}

absl::Status FilesRun::VisitFile(const std::string& path, int directory_fd, const char* name,
                                 const struct stat& info) {
  const std::pair<std::uint64_t, std::uint64_t> identity(info.st_dev, info.st_ino);
  if (info.st_nlink > 1) {
    if (const auto found = links_.find(identity); found != links_.end()) {
      Entry entry = metadata_.EntryOf(path, info);
      entry.type = EntryType::kHardlink;
      entry.link_target = found->second.first_path;
      entry.size_bytes = 0;
      if (--found->second.left == 0) links_.erase(found);
      ++file_count_;
      RETURN_IF_ERROR(AddEntry(std::move(entry)));
      Count(0);
      return absl::OkStatus();
    }
  }
  const std::uint64_t files_before = file_count_;
  ASSIGN_OR_RETURN(const bool reused, ReuseUnchanged(path, info));
  if (!reused) RETURN_IF_ERROR(StoreFile(path, directory_fd, name));
  if (info.st_nlink > 1 && file_count_ > files_before) {
    links_[identity] = {path, info.st_nlink - 1};
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FilesRun::ReuseUnchanged(const std::string& path, const struct stat& info) {
  const std::optional<Entry> previous = builder_.Previous(path);
  if (!previous || !IsUnchanged(*previous, info)) return false;
  RETURN_IF_ERROR(AddParents(path));
  Entry entry = metadata_.EntryOf(path, info);
  entry.xattrs = previous->xattrs;  // setting one would have changed ctime
  RETURN_IF_ERROR(builder_.Reuse(std::move(entry), *previous));
  ++file_count_;
  content_bytes_ += previous->content_bytes;
  Count(previous->content_bytes);
  return true;
}

absl::Status FilesRun::StoreFile(const std::string& path, int directory_fd, const char* name) {
  RETURN_IF_ERROR(AddParents(path));
  ASSIGN_OR_RETURN(const ReadOutcome outcome, reader_.Store(path, directory_fd, name, stop_));
  if (outcome.state == ReadOutcome::State::kUnreadable) return Skip(path, outcome.error_number);
  ReportXattrs(path, outcome.xattrs_error);
  if (outcome.state == ReadOutcome::State::kStoredInconsistent) {
    builder_.Skip(path, "it changed during every attempt to read it: stored as inconsistent");
  }
  ++file_count_;
  content_bytes_ += outcome.bytes;
  Count(0);  // the lane counts the bytes
  return absl::OkStatus();
}

absl::Status FilesRun::AddParents(const std::string& path) {
  while (!parents_.empty() && !IsBelow(path, parents_.back().path)) parents_.pop_back();
  for (Entry& parent : parents_) {
    ++directory_count_;
    RETURN_IF_ERROR(builder_.Add(std::move(parent)));
  }
  parents_.clear();
  return absl::OkStatus();
}

absl::Status FilesRun::AddEntry(Entry entry) {
  RETURN_IF_ERROR(AddParents(entry.path));
  return builder_.Add(std::move(entry));
}

void FilesRun::ReportXattrs(const std::string& path, int error_number) {
  if (error_number == 0 || error_number == ENOENT) return;
  builder_.Skip(path, fmt::format("its extended attributes were not readable: {}",
                                  std::strerror(error_number)));
}

absl::Status FilesRun::Skip(const std::string& path, int error_number) {
  builder_.Skip(path, ReasonOf(error_number));
  if (++skipped_count_ <= options_.max_skipped) return absl::OkStatus();
  return Error(
      ErrorKind::kSource, 2303,
      fmt::format("unable to read root '{}': more than {} entries are unreadable, the last "
                  "is '{}': {}",
                  Escaped(options_.root), options_.max_skipped, Escaped(path),
                  ReasonOf(error_number)),
      "Run the agent with the rights to read them, or exclude them.");
}

void FilesRun::Count(std::uint64_t bytes) {
  pending_bytes_ += bytes;
  if (++pending_items_ < kProgressItems) return;
  builder_.Progressed(pending_bytes_, pending_items_);
  pending_bytes_ = pending_items_ = 0;
}

SourceResult FilesRun::Result(const struct stat& root) const {
  SourceResult result;
  result.attributes["device"] = std::to_string(root.st_dev);
  result.attributes["root"] = options_.root;
  result.notes = notes_;
  result.summary = fmt::format("{} files in {} directories, {} bytes", file_count_,
                               directory_count_, content_bytes_);
  return result;
}

}  // namespace holdfast::source
