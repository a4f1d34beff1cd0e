#include "agent/restore/files/entry_comparer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/restore/files/content_check.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
// An incomplete entry was reported already, with what could not be set.
void EntryComparer::Report(const Entry& entry, const std::string& problem) {
  if (!problem.empty() && !ledger_.IsIncomplete(entry.path)) {
    ledger_.Mismatch(entry.path, problem);
  }
}

void EntryComparer::CompareFile(const Entry& entry, const std::string& path,
                                LinkTarget link_target) {
  if (ledger_.IsLeftOut(entry.path)) return;
  const auto place = directories_.Parent(ledger_.ActualPath(path), Missing::kFail);
  if (!place.ok()) return ledger_.Mismatch(entry.path, MessageOf(place.status()));
  const UniqueFd fd(OpenBeneath(place->directory_fd, place->name.c_str(), O_RDONLY | O_NONBLOCK));
  if (!fd.valid() && errno == EACCES && ::geteuid() != 0) {
    return ledger_.Incomplete(entry.path, "its mode does not let us read it back");
  }
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return ledger_.Mismatch(entry.path,
                            fmt::format("unable to read it back: {}", std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) return ledger_.Mismatch(entry.path, "it is no regular file");
  if (link_target == LinkTarget::kYes) ledger_.Identify(path, {info.st_dev, info.st_ino});
  ledger_.Compared(1);
  if (std::string problem = ContentProblem(fd.get(), info, entry); !problem.empty()) {
    return ledger_.Mismatch(entry.path, std::move(problem));
  }
  Report(entry, policy_.Differences(entry, info, fd.get()));
}

void EntryComparer::CompareDirectory(const Entry& entry) {
  if (ledger_.IsLeftOut(entry.path)) return;
  const auto fd = directories_.Open(entry.path, Missing::kFail);
  struct stat info {};
  if (!fd.ok() && KindOf(fd.status()) == ErrorKind::kPermission && ::geteuid() != 0) {
    return ledger_.Incomplete(entry.path, "its mode does not let us read it back");
  }
  if (!fd.ok()) return ledger_.Mismatch(entry.path, MessageOf(fd.status()));
  if (::fstat(*fd, &info) != 0) return ledger_.Mismatch(entry.path, std::strerror(errno));
  Report(entry, policy_.Differences(entry, info, *fd));
}

void EntryComparer::CompareSymlinkOrSpecial(const Entry& entry, const std::string& path) {
  if (ledger_.IsLeftOut(entry.path)) return;
  const auto place = directories_.Parent(ledger_.ActualPath(path), Missing::kFail);
  if (!place.ok()) return ledger_.Mismatch(entry.path, MessageOf(place.status()));
  struct stat info {};
  if (::fstatat(place->directory_fd, place->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ledger_.Mismatch(entry.path, std::strerror(errno));
  }
  if ((info.st_mode & S_IFMT) != FormatOf(entry.type)) {
    return ledger_.Mismatch(entry.path, "it has another type");
  }
  if (entry.type == EntryType::kSymlink) {
    std::string target(entry.link_target.size() + 1, '\0');
    const ssize_t size =
        ::readlinkat(place->directory_fd, place->name.c_str(), target.data(), target.size());
    if (size < 0 || target.substr(0, static_cast<std::size_t>(size)) != entry.link_target) {
      return ledger_.Mismatch(entry.path, "it points elsewhere");
    }
  }
  Report(entry, policy_.Differences(entry, info, -1));
}

void EntryComparer::CompareHardlink(const Entry& entry, const std::string& path,
                                    const std::string& content_path) {
  if (ledger_.IsLeftOut(entry.path)) return;
  const auto place = directories_.Parent(ledger_.ActualPath(path), Missing::kFail);
  if (!place.ok()) return ledger_.Mismatch(entry.path, MessageOf(place.status()));
  struct stat info {};
  if (::fstatat(place->directory_fd, place->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return ledger_.Mismatch(entry.path, std::strerror(errno));
  }
  if (ledger_.IdentityOf(content_path) != RestoreLedger::FileIdentity(info.st_dev, info.st_ino)) {
    ledger_.Mismatch(entry.path, fmt::format("it is no link to '{}'", Escaped(content_path)));
  }
}

}  // namespace holdfast::restore
