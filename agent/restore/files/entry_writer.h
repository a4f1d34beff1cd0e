// Makes one entry beneath the target: content under a temporary name, then its own.
//
// Hides:      temporary names, holes, replacing, the suffix when a name is taken.
// Invariants: I1  After every return, also on errors, no temporary name of this writer is left.
//             I2  In an empty target a name is never taken twice: the second gets a suffix.
//             I3  No more bytes are written than the manifest says.
// Threading:  one writer per thread; several may share target, policy and ledger.
// Errors:     returned when the restore cannot go on (no space, store unreachable, damage without
//             skip_bad); what concerns one entry only is in the ledger.
#pragma once

#include <functional>
#include <string>

#include "agent/restore/files/files_sink.h"
#include "agent/restore/files/metadata_policy.h"
#include "agent/restore/files/restore_ledger.h"
#include "agent/restore/files/target_tree.h"

namespace holdfast::restore {

class EntryWriter {
 public:
  EntryWriter(const SnapshotView& view, int target_fd, const FilesRestoreOptions& options,
              MetadataPolicy& policy, RestoreLedger& ledger)
      : view_(view),
        directories_(target_fd),
        link_targets_(target_fd),
        options_(options),
        policy_(policy),
        ledger_(ledger) {}

  // `path` is the entry's own path, except for content restored under the name of a hardlink.
  absl::Status WriteFile(const Entry& entry, const std::string& path);
  absl::Status MakeDirectory(const Entry& entry);
  absl::Status FinishDirectory(const Entry& entry);  // metadata, when all below is done
  absl::Status MakeSymlinkOrSpecial(const Entry& entry, const std::string& path);
  absl::Status MakeHardlink(const Entry& entry, const std::string& path,
                            const std::string& existing_path);

 private:
  enum class Fate { kDone, kLeftOut };
  using MakeTemporary = std::function<int(int directory_fd, const char* name)>;  // 0 or errno

  absl::Status Make(const Entry& entry, const std::string& path, const MakeTemporary& make,
                    const std::function<absl::StatusOr<Fate>(const Place&)>& fill);
  absl::StatusOr<std::string> GiveName(const Place& place, const std::string& name);
  absl::StatusOr<Fate> FillFile(const Entry& entry, int fd);
  absl::Status Extend(const Entry& entry, int fd);
  absl::StatusOr<bool> KeepUnchanged(const Entry& entry, const std::string& path);
  absl::Status LocalFailure(const Entry& entry, const absl::Status& status);

  const SnapshotView& view_;
  DirectoryCache directories_;
  DirectoryCache link_targets_;  // beside directories_, which holds the link's own parent
  const FilesRestoreOptions& options_;
  MetadataPolicy& policy_;
  RestoreLedger& ledger_;
};

}  // namespace holdfast::restore
