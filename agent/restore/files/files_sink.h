// Restores a directory tree from a snapshot, then proves it by reading everything back.
//
// Hides:      temporary names, worker threads, the order in which links, owners, modes and times
//             are set, the comparison.
// Invariants: I1  Nothing outside the target is touched: every name is resolved beneath it, through
//                 no symbolic link (openat2), and links are made after all content.
//             I2  A file appears under its name complete or not at all; after any failure no
//                 temporary name is left.
//             I3  Nothing of the target is deleted; what is not in the snapshot stays.
//             I4  setuid and setgid bits of files, file capabilities and other security.* and
//                 trusted.* attributes need preserve_privileged, device nodes allow_devices, and
//                 both need root. What was withheld is in the report.
//             I5  As root, owners (by name, else by id) and ACLs are restored without a flag; as
//                 another user everything belongs to that user, and the report says so.
//             I6  Every entry restored is compared with the manifest: content by hash, metadata by
//                 a fresh stat. A difference is a mismatch (exit 5).
// Threading:  blocks; starts two workers of its own. `progress` is called from all of them.
// Errors:     kRefused 3007 (target not empty), 3301 (target forbidden); kNotFound 3302 (a path
//             named is not in the snapshot); kIntegrity 3303 (bad entry), or of the view;
//             kNoSpace 3304; kUsage 2304 (pattern); errno otherwise, 3305.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/restore/restore_report.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct FilesRestoreOptions {
  std::string target;  // created when missing

  enum class Overwrite {
    kRefuse,   // the target must be empty
    kChanged,  // files whose size, mtime or content differ are replaced
    kAll,
  };
  Overwrite overwrite = Overwrite::kRefuse;

  // Exact paths or patterns (agent/source/files/glob.h); a directory means all below it, and the
  // directories above come along. Empty: everything.
  std::vector<std::string> paths;

  bool preserve_privileged = false;  // I4
  bool allow_devices = false;        // I4
  bool skip_bad = false;             // damaged or unacceptable entries are left out and listed
  bool numeric_ids = false;          // owners by id only
  // Store and state directories: the target may neither be, hold nor lie in one. '/' never.
  std::vector<std::string> forbidden_roots;
};

absl::StatusOr<RestoreReport> RestoreFiles(const SnapshotView& view,
                                           const FilesRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop);

}  // namespace holdfast::restore
