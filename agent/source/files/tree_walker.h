// A depth-first walk of a directory tree by descriptors, in the order of ComparePaths.
//
// Hides:      open directories (few at a time, whatever the depth), sorting, reopening by "..".
// Invariants: I1  No symbolic link below the root is followed and no path is resolved twice: every
//                 step is one name relative to an open directory.
//             I2  No recursion: depth costs memory for names, never stack or descriptors.
//             I3  A directory that contains itself (bind mounts) is not entered again.
// Threading:  one walk belongs to one thread.
// Errors:     what cannot be read is told to the visitor and the walk goes on; an error the visitor
//             returns ends it.
#pragma once

#include <sys/stat.h>

#include <stop_token>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "agent/source/files/glob.h"
#include "common/env/unique_fd.h"

namespace holdfast::source {

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;

  // Asked first, before anything is opened or measured.
  virtual bool Wants(const std::string& path, PathType type) = 0;

  enum class Descend { kNo, kYes };
  virtual absl::StatusOr<Descend> VisitDirectory(const std::string& path, int fd,
                                                 const struct stat& info) = 0;
  // `name` is the last component of `path`, to be used relative to `directory_fd`.
  virtual absl::Status VisitOther(const std::string& path, int directory_fd, const char* name,
                                  const struct stat& info) = 0;
  // A path that could not be measured, opened or listed. ELOOP: a directory that contains itself.
  // `info` is null when not even that is known.
  virtual absl::Status VisitUnreadable(const std::string& path, int error_number,
                                       const struct stat* info) = 0;
};

class TreeWalker {
 public:
  explicit TreeWalker(TreeVisitor& visitor);

  // Visits everything below `root`, not the root itself.
  absl::Status Walk(UniqueFd root, std::stop_token stop);

 private:
  struct Child {
    std::string name;
    unsigned char type = 0;  // DT_*, a hint
  };
  struct Frame {
    UniqueFd fd;  // invalid while parked
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::size_t path_size = 0;
    std::vector<Child> children;
    std::size_t next = 0;
  };

  absl::Status VisitChild(const Child& child);
  absl::Status EnterDirectory(const char* name, const struct stat& seen);
  absl::Status Push(UniqueFd fd, const struct stat& info);
  absl::Status Pop();
  int List(int fd, std::vector<Child>* children);
  void ParkShallowest();
  bool Reopen(const Frame& frame, UniqueFd* fd, int child_fd);

  TreeVisitor& visitor_;
  std::string path_;
  std::vector<Frame> frames_;
  std::size_t first_open_ = 1;  // frames_[1 .. first_open_) are parked; the root never is
  absl::flat_hash_set<std::pair<std::uint64_t, std::uint64_t>> ancestors_;
  std::vector<char> buffer_;
};

}  // namespace holdfast::source
