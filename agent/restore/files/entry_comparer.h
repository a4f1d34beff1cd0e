// Compares what a restore made with the manifest, by looking at the disk anew.
//
// Invariants: every difference is a mismatch in the ledger; nothing on disk is changed.
// Threading:  one comparer per thread; several may share target, policy and ledger.
// Errors:     none of its own: what cannot be read back is a mismatch, or incomplete where only
//             the rights to read it are missing.
#pragma once

#include <string>

#include "agent/restore/files/metadata_policy.h"
#include "agent/restore/files/restore_ledger.h"
#include "agent/restore/files/target_tree.h"

namespace holdfast::restore {

enum class LinkTarget { kNo, kYes };

class EntryComparer {
 public:
  EntryComparer(int target_fd, const MetadataPolicy& policy, RestoreLedger& ledger)
      : directories_(target_fd), policy_(policy), ledger_(ledger) {}

  // `kYes`: hardlinks to it will be compared with its identity.
  void CompareFile(const Entry& entry, const std::string& path, LinkTarget link_target);
  void CompareDirectory(const Entry& entry);
  void CompareSymlinkOrSpecial(const Entry& entry, const std::string& path);
  void CompareHardlink(const Entry& entry, const std::string& path,
                       const std::string& content_path);

 private:
  void Report(const Entry& entry, const std::string& problem);

  DirectoryCache directories_;
  const MetadataPolicy& policy_;
  RestoreLedger& ledger_;
};

}  // namespace holdfast::restore
