#include "agent/source/files/tree_walker.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "common/base/error.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kOpenDirectories = 64;
constexpr std::size_t kListBytes = 256 * 1024;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

bool IsDotOrDotDot(std::string_view name) { return name == "." || name == ".."; }

}  // namespace

TreeWalker::TreeWalker(TreeVisitor& visitor) : visitor_(visitor), buffer_(kListBytes) {}

absl::Status TreeWalker::Walk(UniqueFd root, std::stop_token stop) {
  struct stat info {};
  if (::fstat(root.get(), &info) != 0) return visitor_.VisitUnreadable("", errno, nullptr);
  RETURN_IF_ERROR(Push(std::move(root), info));
  while (!frames_.empty()) {
    if (stop.stop_requested()) return absl::CancelledError("the walk was stopped");
    Frame& frame = frames_.back();
    if (frame.next == frame.children.size()) {
      RETURN_IF_ERROR(Pop());
      continue;
    }
    // Moved out: pushing a frame may move `frame`.
    const Child child = std::move(frame.children[frame.next++]);
    path_.resize(frame.path_size);
    if (!path_.empty()) path_.push_back('/');
    path_ += child.name;
    RETURN_IF_ERROR(VisitChild(child));
  }
  return absl::OkStatus();
}

absl::Status TreeWalker::VisitChild(const Child& child) {
  const char* name = child.name.c_str();
  const int parent = frames_.back().fd.get();
  const auto type_of = [](bool directory) {
    return directory ? PathType::kDirectory : PathType::kOther;
  };
  const bool type_known = child.type != DT_UNKNOWN;
  if (type_known && !visitor_.Wants(path_, type_of(child.type == DT_DIR))) return absl::OkStatus();
  struct stat info {};
  if (::fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return visitor_.VisitUnreadable(path_, errno, nullptr);
  }
  if (!type_known && !visitor_.Wants(path_, type_of(S_ISDIR(info.st_mode)))) {
    return absl::OkStatus();
  }
  if (S_ISDIR(info.st_mode)) return EnterDirectory(name, info);
  return visitor_.VisitOther(path_, parent, name, info);
}

absl::Status TreeWalker::EnterDirectory(const char* name, const struct stat& seen) {
  UniqueFd fd(::openat(frames_.back().fd.get(), name, kDirectoryFlags));
  if (!fd.valid()) return visitor_.VisitUnreadable(path_, errno, &seen);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return visitor_.VisitUnreadable(path_, errno, &seen);
  if (ancestors_.contains({info.st_dev, info.st_ino})) {
    return visitor_.VisitUnreadable(path_, ELOOP, &info);
  }
  ASSIGN_OR_RETURN(const TreeVisitor::Descend descend,
                   visitor_.VisitDirectory(path_, fd.get(), info));
  if (descend == TreeVisitor::Descend::kNo) return absl::OkStatus();
  return Push(std::move(fd), info);
}

absl::Status TreeWalker::Push(UniqueFd fd, const struct stat& info) {
  Frame frame;
  frame.device = info.st_dev;
  frame.inode = info.st_ino;
  frame.path_size = path_.size();
  if (const int error = List(fd.get(), &frame.children); error != 0) {
    return visitor_.VisitUnreadable(path_, error, nullptr);
  }
  frame.fd = std::move(fd);
  ancestors_.insert({frame.device, frame.inode});
  frames_.push_back(std::move(frame));
  ParkShallowest();
  return absl::OkStatus();
}

void TreeWalker::ParkShallowest() {
  if (frames_.size() - first_open_ <= kOpenDirectories) return;
  frames_[first_open_++].fd.Reset();
}

absl::Status TreeWalker::Pop() {
  Frame done = std::move(frames_.back());
  frames_.pop_back();
  ancestors_.erase({done.device, done.inode});
  if (frames_.empty()) return absl::OkStatus();
  Frame& parent = frames_.back();
  path_.resize(parent.path_size);
  if (parent.fd.valid()) return absl::OkStatus();
  if (parent.next < parent.children.size() && !Reopen(parent, &parent.fd, done.fd.get())) {
    // Somebody moved the directory away while we were below it: the rest of it is lost to us.
    parent.next = parent.children.size();
    RETURN_IF_ERROR(visitor_.VisitUnreadable(path_, ESTALE, nullptr));
  } else if (parent.next == parent.children.size()) {
    // Not needed for itself, but its own parent may be reopened from it.
    Reopen(parent, &parent.fd, done.fd.get());
  }
  first_open_ = std::max<std::size_t>(1, frames_.size() - 1);
  return absl::OkStatus();
}

// By ".." of the child where that still leads to the same directory, else down from the root.
bool TreeWalker::Reopen(const Frame& frame, UniqueFd* fd, int child_fd) {
  const auto is_frame = [&](const UniqueFd& candidate) {
    struct stat info {};
    return candidate.valid() && ::fstat(candidate.get(), &info) == 0 &&
           info.st_dev == frame.device && info.st_ino == frame.inode;
  };
  UniqueFd found;
  if (child_fd >= 0) found = UniqueFd(::openat(child_fd, "..", kDirectoryFlags));
  if (!is_frame(found)) {
    found = UniqueFd(::openat(frames_.front().fd.get(), ".", kDirectoryFlags));
    for (std::size_t begin = 0; found.valid() && begin < frame.path_size;) {
      const std::size_t end = std::min(path_.find('/', begin), frame.path_size);
      found = UniqueFd(
          ::openat(found.get(), path_.substr(begin, end - begin).c_str(), kDirectoryFlags));
      begin = end + 1;
    }
  }
  if (!is_frame(found)) return false;
  *fd = std::move(found);
  return true;
}

int TreeWalker::List(int fd, std::vector<Child>* children) {
  for (;;) {
    const ssize_t size = ::getdents64(fd, buffer_.data(), buffer_.size());
    if (size < 0) return errno;
    if (size == 0) break;
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer_.data() + at);
      if (!IsDotOrDotDot(entry->d_name)) children->push_back({entry->d_name, entry->d_type});
      at += entry->d_reclen;
    }
  }
  std::sort(children->begin(), children->end(),
            [](const Child& a, const Child& b) { return a.name < b.name; });
  return 0;
}

}  // namespace holdfast::source
