#include "agent/restore/files/entry_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <limits>

#include "agent/restore/files/content_check.h"
#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr int kNameAttempts = 100;

std::string TemporaryName() {
  static std::atomic<std::uint64_t> counter{0};
  return fmt::format(".holdfast-restore-{}-{}", ::getpid(), counter.fetch_add(1));
}

// Unlinks the name unless it was given away.
class Temporary {
 public:
  explicit Temporary(const Place& place) : place_(place) {}
  ~Temporary() {
    if (!given_away_) ::unlinkat(place_.directory_fd, place_.name.c_str(), 0);
  }
  void GiveAway() { given_away_ = true; }

 private:
  const Place& place_;
  bool given_away_ = false;
};

// Puts content where the manifest says, and no more of it than it says (I3).
class ExtentWriter {
 public:
  ExtentWriter(const Entry& entry, int fd) : entry_(entry), fd_(fd) {}

  absl::Status Write(ByteView bytes) {
    while (!bytes.empty()) {
      const Extent extent = Current();
      if (extent.length_bytes == 0) {
        return Error(ErrorKind::kIntegrity, 3303,
                     fmt::format("unable to restore '{}': its content is longer than the manifest "
                                 "says",
                                 Escaped(entry_.path)));
      }
      const std::size_t size = std::min<std::uint64_t>(bytes.size(), extent.length_bytes);
      const ssize_t written =
          ::pwrite(fd_, bytes.data(), size, static_cast<off_t>(extent.offset_bytes));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        own_ =
            ErrnoError(written < 0 ? errno : ENOSPC, written < 0 && errno != ENOSPC ? 3305 : 3304,
                       fmt::format("unable to write '{}'", Escaped(entry_.path)));
        return own_;
      }
      within_ += static_cast<std::uint64_t>(written);
      total_ += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  std::uint64_t total() const { return total_; }
  const absl::Status& own() const { return own_; }  // ours, not the view's

 private:
  // What is left of the extent being filled; empty at the end.
  Extent Current() {
    if (!entry_.extents) return {within_, entry_.content_bytes - within_};
    while (index_ < entry_.extents->size()) {
      const Extent& extent = (*entry_.extents)[index_];
      if (within_ < extent.length_bytes) {
        return {extent.offset_bytes + within_, extent.length_bytes - within_};
      }
      ++index_;
      within_ = 0;
    }
    return {};
  }

  const Entry& entry_;
  const int fd_;
  std::size_t index_ = 0;
  std::uint64_t within_ = 0;
  std::uint64_t total_ = 0;
  absl::Status own_;
};

}  // namespace

// kDone, or why not: problems of one entry go to the ledger, others end the restore.
absl::Status EntryWriter::LocalFailure(const Entry& entry, const absl::Status& status) {
  switch (KindOf(status)) {
    case ErrorKind::kNoSpace:
      return status;
    case ErrorKind::kIntegrity:
      if (!options_.skip_bad) {
        return WithContext(status, fmt::format("file '{}'", Escaped(entry.path)));
      }
      break;
    case ErrorKind::kFailed:
    case ErrorKind::kPermission:
    case ErrorKind::kNotFound:
      break;
    default:
      return status;
  }
  ledger_.LeftOut(entry.path, MessageOf(status));
  return absl::OkStatus();
}

absl::Status EntryWriter::Make(const Entry& entry, const std::string& path,
                               const MakeTemporary& make,
                               const std::function<absl::StatusOr<Fate>(const Place&)>& fill) {
  auto place = directories_.Parent(path, Missing::kCreate);
  if (!place.ok()) return LocalFailure(entry, place.status());
  const std::string name = std::exchange(place->name, TemporaryName());
  int error = make(place->directory_fd, place->name.c_str());
  for (int attempt = 0; error == EEXIST && attempt < kNameAttempts; ++attempt) {
    place->name = TemporaryName();
    error = make(place->directory_fd, place->name.c_str());
  }
  if (error != 0) {
    return LocalFailure(entry, ErrnoError(error, error == ENOSPC || error == EDQUOT ? 3304 : 3305,
                                          fmt::format("unable to create '{}'", Escaped(path))));
  }
  Temporary temporary(*place);
  ASSIGN_OR_RETURN(const Fate fate, fill(*place));
  if (fate == Fate::kLeftOut) return absl::OkStatus();
  auto given = GiveName(*place, name);
  if (!given.ok()) return LocalFailure(entry, given.status());
  // Renaming a link onto another name of the same file does nothing and leaves both names.
  if (entry.type != EntryType::kHardlink) temporary.GiveAway();
  if (*given != name) {
    ledger_.Renamed(path, path.substr(0, path.size() - name.size()) + *given);
  }
  ledger_.Restored(entry.content_bytes);
  return absl::OkStatus();
}

// The name it got: `name`, or one with a suffix when that was taken by another entry (I2).
absl::StatusOr<std::string> EntryWriter::GiveName(const Place& place, const std::string& name) {
  HOLDFAST_FAIL_POINT("restore.rename");
  const bool replace = options_.overwrite != FilesRestoreOptions::Overwrite::kRefuse;
  std::string given = name;
  for (int number = 2; number < kNameAttempts; ++number) {
    if (::renameat2(place.directory_fd, place.name.c_str(), place.directory_fd, given.c_str(),
                    replace ? 0 : RENAME_NOREPLACE) == 0) {
      return given;
    }
    if (replace || errno != EEXIST) break;
    given = fmt::format("{}.holdfast-{}", name, number);
  }
  return ErrnoError(errno, errno == ENOSPC ? 3304 : 3305,
                    fmt::format("unable to name a file '{}'", Escaped(name)));
}

absl::Status EntryWriter::WriteFile(const Entry& entry, const std::string& path) {
  if (options_.overwrite == FilesRestoreOptions::Overwrite::kChanged) {
    ASSIGN_OR_RETURN(const bool kept, KeepUnchanged(entry, path));
    if (kept) return absl::OkStatus();
  }
  UniqueFd fd;
  const auto make = [&](int directory_fd, const char* name) {
    fd = UniqueFd(
        ::openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    return fd.valid() ? 0 : errno;
  };
  return Make(entry, path, make, [&](const Place&) -> absl::StatusOr<Fate> {
    ASSIGN_OR_RETURN(const Fate fate, FillFile(entry, fd.get()));
    if (fate == Fate::kLeftOut) return fate;
    // Some file systems tell only here that the bytes did not fit.
    if (::close(fd.Release()) == 0 || errno == EINTR) return fate;
    RETURN_IF_ERROR(LocalFailure(
        entry, ErrnoError(errno, 3304, fmt::format("unable to write '{}'", Escaped(path)))));
    return Fate::kLeftOut;
  });
}

// A sparse file ends where its entry says, which may be behind its last extent.
absl::Status EntryWriter::Extend(const Entry& entry, int fd) {
  if (entry.size_bytes > std::numeric_limits<off_t>::max()) {
    return Error(ErrorKind::kIntegrity, 3303,
                 fmt::format("unable to restore '{}': no file has {} bytes", Escaped(entry.path),
                             entry.size_bytes));
  }
  if (::ftruncate(fd, static_cast<off_t>(entry.size_bytes)) == 0) return absl::OkStatus();
  if (errno != EFBIG) {
    return ErrnoError(errno, 3304, fmt::format("unable to extend '{}'", Escaped(entry.path)));
  }
  // Holes need no space: it is this file that does not fit here, not the disk that is full.
  return Error(ErrorKind::kFailed, 3305,
               fmt::format("unable to extend '{}' to {} bytes: more than a file may have here",
                           Escaped(entry.path), entry.size_bytes));
}

absl::StatusOr<EntryWriter::Fate> EntryWriter::FillFile(const Entry& entry, int fd) {
  ExtentWriter writer(entry, fd);
  absl::Status status;
  if (entry.content_bytes > 0) {
    status = view_.Read(entry, [&](ByteView bytes) { return writer.Write(bytes); });
  }
  if (!writer.own().ok()) status = writer.own();
  if (status.ok() && writer.total() != entry.content_bytes) {
    status = Error(ErrorKind::kIntegrity, 3303,
                   fmt::format("unable to restore '{}': its content ends after {} of {} bytes",
                               Escaped(entry.path), writer.total(), entry.content_bytes));
  }
  if (status.ok() && entry.extents) status = Extend(entry, fd);
  if (!status.ok()) {
    RETURN_IF_ERROR(LocalFailure(entry, status));
    return Fate::kLeftOut;
  }
  RETURN_IF_ERROR(policy_.Apply(fd, entry));
  return Fate::kDone;
}

// A file with the same size, time and content stays; its other metadata is set again.
absl::StatusOr<bool> EntryWriter::KeepUnchanged(const Entry& entry, const std::string& path) {
  auto place = directories_.Parent(path, Missing::kCreate);
  if (!place.ok()) return false;
  const UniqueFd fd(OpenBeneath(place->directory_fd, place->name.c_str(), O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  // A file with more names may be somebody's whom this restore does not mean.
  if (info.st_nlink != 1 || !HasTime(info, entry.mtime_ns)) return false;
  if (!ContentProblem(fd.get(), info, entry).empty()) return false;
  RETURN_IF_ERROR(policy_.Apply(fd.get(), entry));
  ledger_.Restored(0);
  return true;
}

absl::Status EntryWriter::MakeDirectory(const Entry& entry) {
  if (entry.path.empty()) return absl::OkStatus();  // the target itself
  auto place = directories_.Parent(entry.path, Missing::kCreate);
  if (!place.ok()) return LocalFailure(entry, place.status());
  if (::mkdirat(place->directory_fd, place->name.c_str(), 0700) == 0) return absl::OkStatus();
  const int error = errno;
  if (error == EEXIST) {
    struct stat info {};
    const bool directory =
        ::fstatat(place->directory_fd, place->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode);
    if (directory && options_.overwrite != FilesRestoreOptions::Overwrite::kRefuse) {
      return absl::OkStatus();
    }
    if (directory) {
      ledger_.Incomplete(entry.path, "its name was taken by another directory: both were merged");
      return absl::OkStatus();
    }
    ledger_.LeftOut(entry.path, "something that is no directory is in its place");
    return absl::OkStatus();
  }
  return LocalFailure(
      entry, ErrnoError(error, error == ENOSPC ? 3304 : 3305,
                        fmt::format("unable to create directory '{}'", Escaped(entry.path))));
}

absl::Status EntryWriter::FinishDirectory(const Entry& entry) {
  if (ledger_.IsLeftOut(entry.path)) return absl::OkStatus();
  auto fd = directories_.Open(entry.path, Missing::kFail);
  if (!fd.ok()) return LocalFailure(entry, fd.status());
  RETURN_IF_ERROR(policy_.Apply(*fd, entry));
  ledger_.Restored(0);
  return absl::OkStatus();
}

absl::Status EntryWriter::MakeSymlinkOrSpecial(const Entry& entry, const std::string& path) {
  if (!policy_.MayCreate(entry)) {
    ledger_.LeftOut(entry.path, "device nodes are restored by root only, with --allow-devices");
    return absl::OkStatus();
  }
  const auto make = [&](int directory_fd, const char* name) {
    const int result =
        entry.type == EntryType::kSymlink
            ? ::symlinkat(entry.link_target.c_str(), directory_fd, name)
            : ::mknodat(directory_fd, name, FormatOf(entry.type) | 0600, entry.device);
    return result == 0 ? 0 : errno;
  };
  return Make(entry, path, make, [&](const Place& place) -> absl::StatusOr<Fate> {
    RETURN_IF_ERROR(policy_.ApplyByName(place.directory_fd, place.name, entry));
    return Fate::kDone;
  });
}

absl::Status EntryWriter::MakeHardlink(const Entry& entry, const std::string& path,
                                       const std::string& existing_path) {
  auto existing = link_targets_.Parent(existing_path, Missing::kFail);
  if (!existing.ok()) return LocalFailure(entry, existing.status());
  const auto make = [&](int directory_fd, const char* name) {
    return ::linkat(existing->directory_fd, existing->name.c_str(), directory_fd, name, 0) == 0
               ? 0
               : errno;
  };
  return Make(entry, path, make, [](const Place&) -> absl::StatusOr<Fate> { return Fate::kDone; });
}

}  // namespace holdfast::restore
