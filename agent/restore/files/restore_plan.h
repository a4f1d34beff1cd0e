// What a restore is going to do, found by one pass over the manifest before anything is written.
//
// Invariants: I1  Every entry the plan accepts has an acceptable path, lies below directories only
//                 and, as a hardlink, names an accepted file.
//             I2  Ask answers the same for the same entry in every later pass.
// Threading:  made on one thread, then immutable (Ask and Destination from one thread).
// Errors:     kIntegrity 3303 for a bad entry (with skip_bad: left out, in the ledger);
//             kNotFound 3302 for a path that matches nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/restore/files/files_sink.h"
#include "agent/restore/files/restore_ledger.h"
#include "agent/restore/files/selection.h"

namespace holdfast::restore {

class RestorePlan {
 public:
  static absl::StatusOr<RestorePlan> Make(const SnapshotView& view,
                                          const FilesRestoreOptions& options,
                                          RestoreLedger& ledger);

  // To be called before each pass over the manifest.
  void BeginPass() { last_path_.reset(); }
  // Where this entry goes; empty optional: it is not to be restored. Content of a file that is
  // asked for by the name of a hardlink only goes there; a duplicate gets a suffix.
  std::optional<std::string> Destination(const Entry& entry);

  // The path under which a hardlink's content is restored.
  std::string ContentPath(const std::string& link_target) const;
  bool IsLinkTarget(const std::string& path) const { return link_targets_.contains(path); }

  std::uint64_t content_bytes() const { return content_bytes_; }
  std::uint64_t entry_count() const { return entry_count_; }

 private:
  explicit RestorePlan(Selection selection) : selection_(std::move(selection)) {}

  struct Link {
    std::string path;
    std::string target;
  };
  absl::Status Consider(const Entry& entry, const FilesRestoreOptions& options,
                        RestoreLedger& ledger, std::vector<Link>* links);
  absl::Status ResolveLinks(const SnapshotView& view, const FilesRestoreOptions& options,
                            RestoreLedger& ledger, const std::vector<Link>& links);
  absl::Status Refuse(const std::string& path, const absl::Status& why,
                      const FilesRestoreOptions& options, RestoreLedger& ledger);
  absl::Status Objection(const Entry& entry) const;
  std::string NameFor(const Entry& entry);

  Selection selection_;
  absl::flat_hash_set<std::string> refused_;  // bad entries
  absl::flat_hash_set<std::string> parents_;  // not asked for, but above what was
  absl::flat_hash_set<std::string> link_targets_;
  absl::flat_hash_map<std::string, std::string> content_moved_;  // link target → restored path
  std::uint64_t content_bytes_ = 0;
  std::uint64_t entry_count_ = 0;

  std::optional<std::string> last_path_;  // of the pass under way, to see duplicates
  int duplicates_ = 0;

  // Only while the plan is made.
  std::vector<std::string> above_;      // directories on the way to the current entry
  std::optional<std::string> barrier_;  // the last entry that is no directory
};

}  // namespace holdfast::restore
