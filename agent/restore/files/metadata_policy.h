// Which metadata of an entry this restore sets, sets it, and compares it afterwards.
//
// Hides:      owner name lookups (cached), what needs a flag or root, the order of the calls
//             (owner before attributes before mode before time: each undoes some of the next).
// Invariants: I1  What Apply sets and what Differences expects come from the same decision.
//             I2  Nothing is set through a symbolic link.
// Threading:  every method from any thread.
// Errors:     an attribute or owner that cannot be set makes the entry incomplete in the ledger;
//             no space is returned, as kNoSpace 3304.
#pragma once

#include <sys/stat.h>

#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "agent/restore/files/files_sink.h"
#include "agent/restore/files/restore_ledger.h"
#include "common/format/entry.h"

namespace holdfast::restore {

// The file type in st_mode of a symlink or special file.
mode_t FormatOf(EntryType type);

class MetadataPolicy {
 public:
  MetadataPolicy(const FilesRestoreOptions& options, RestoreLedger& ledger);

  bool MayCreate(const Entry& entry) const;  // device nodes

  // A file or directory by descriptor.
  absl::Status Apply(int fd, const Entry& entry);
  // A symlink or special file by name.
  absl::Status ApplyByName(int directory_fd, const std::string& name, const Entry& entry);

  // What differs, in words; empty when nothing does. `fd` may be -1 for a symlink or special file.
  std::string Differences(const Entry& entry, const struct stat& info, int fd) const;

 private:
  struct Owner {
    bool set = false;
    std::uint32_t user_id = 0;
    std::uint32_t group_id = 0;
  };
  Owner OwnerOf(const Entry& entry) const;
  std::uint32_t ModeOf(const Entry& entry) const;
  bool MaySet(const std::string& xattr) const;
  void ReportWithheld(const Entry& entry);
  absl::Status Failed(const Entry& entry, std::string_view what, int error_number);
  absl::Status SetXattrs(const std::string& path, const Entry& entry);
  absl::Status SetXattrs(int fd, const Entry& entry);

  const FilesRestoreOptions& options_;
  RestoreLedger& ledger_;
  const bool is_root_;
  const std::uint32_t own_user_id_;

  mutable std::mutex mutex_;                                      // guards the two caches
  mutable absl::flat_hash_map<std::string, std::int64_t> users_;  // -1: no such name
  mutable absl::flat_hash_map<std::string, std::int64_t> groups_;
};

}  // namespace holdfast::restore
