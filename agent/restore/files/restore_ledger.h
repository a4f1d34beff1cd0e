// What became of every entry of a restore: counted, left out, renamed, withheld, different.
//
// Invariants: lists are capped (kListLimit, with a last line that says how many more), counts are
//             exact; a path left out or renamed is known to the comparison however long the list.
// Threading:  every method from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/restore/restore_report.h"

namespace holdfast::restore {

class RestoreLedger {
 public:
  static constexpr std::size_t kListLimit = 1000;

  void Restored(std::uint64_t bytes);
  void LeftOut(const std::string& path, std::string reason);     // not there: partial
  void Incomplete(const std::string& path, std::string reason);  // there, but not whole: partial
  // `path` is where the entry should have gone.
  void Renamed(const std::string& path, const std::string& actual);
  // Counted per `what`; one warning each, naming the first path.
  void Withheld(const std::string& what, const std::string& path);
  void Compared(std::uint64_t files);
  void Mismatch(const std::string& path, std::string reason);

  bool IsLeftOut(const std::string& path) const;
  bool IsIncomplete(const std::string& path) const;
  std::string ActualPath(const std::string& path) const;

  // Which file a restored path is, to compare its hardlinks with.
  using FileIdentity = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  void Identify(const std::string& path, FileIdentity identity);
  FileIdentity IdentityOf(const std::string& path) const;  // {0, 0} when unknown

  RestoreReport Report(const std::string& target) const;

 private:
  struct Capped {
    std::vector<Problem> list;
    std::uint64_t count = 0;
    void Add(const std::string& path, std::string reason);
    std::vector<Problem> Taken() const;
  };
  struct Tally {
    std::uint64_t count = 0;
    std::string first_path;
  };

  mutable std::mutex mutex_;  // guards all below
  std::uint64_t restored_entries_ = 0;
  std::uint64_t restored_bytes_ = 0;
  std::uint64_t compared_files_ = 0;
  Capped skipped_;
  Capped mismatches_;
  std::map<std::string, Tally> withheld_;
  absl::flat_hash_set<std::string> left_out_;
  absl::flat_hash_set<std::string> incomplete_;
  absl::flat_hash_map<std::string, std::string> renamed_;
  absl::flat_hash_map<std::string, FileIdentity> identities_;
};

}  // namespace holdfast::restore
