// The source kind "files": a directory tree, or one file, with everything a restore needs.
//
// Hides:      the walk, hardlinks, holes, files that change, what was not readable.
// Invariants: I1  The snapshot holds the tree's entries byte-exact: names, content, mode, owner,
//                 times in ns, extended attributes and ACLs, hardlinks, holes. Entry "" is the root
//                 directory. When the root is one file, its entry's path is the file's name and
//                 there is no entry "".
//             I2  An unchanged file (device, inode, size, mtime, ctime as in the previous snapshot)
//                 is reused without being opened.
//             I3  A root that is missing, unreadable or on another device than last time is an
//                 error: an unmounted volume never becomes an empty snapshot.
//             I4  Symbolic links are stored, never followed; FIFOs, sockets and devices are stored
//                 as metadata, never opened. A symlink or special file with several names becomes
//                 several entries.
// Threading:  Read runs on one thread; one Read at a time.
// Errors:     kSource 2301 root, 2302 another device, 2303 too much skipped; kUsage 2304 pattern.
//             Files that vanished or may not be read, and files that changed during every attempt,
//             are reported by Skip and make the snapshot partial.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/source/source.h"
#include "common/env/clock.h"

namespace holdfast::source {

struct FilesOptions {
  std::string root;
  std::vector<std::string> include;  // see path_filter.h; empty: everything
  std::vector<std::string> exclude;
  bool one_file_system = true;  // mount points below the root become empty directories and a note
  unsigned read_retries = 3;    // for a file that changes while it is read
  std::size_t max_skipped = 1000;
  // SourceResult.attributes["device"] of the last run: another one is refused (I3).
  std::optional<std::uint64_t> expected_device;
};

class FilesSource final : public Source {
 public:
  FilesSource(FilesOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {}

  std::string kind() const override { return "files"; }
  absl::Status Check(std::stop_token stop) override;
  absl::StatusOr<SourceResult> Read(SnapshotBuilder& builder, std::stop_token stop) override;

 private:
  const FilesOptions options_;
  Clock& clock_;
};

}  // namespace holdfast::source
