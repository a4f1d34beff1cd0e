// One run of the files source: what the walk finds, turned into entries.
//
// Hides:      reuse of unchanged files, hardlinks, parents of included paths, counting.
// Invariants: I1  Every path the walk wanted is added, skipped with a reason, or named in a note.
//             I2  Parents are added before what is below them, and only when something is.
// Threading:  one thread.
// Errors:     of the builder, unchanged; kSource 2301 (root unreadable), 2303 (too much skipped).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/source/files/file_metadata.h"
#include "agent/source/files/file_reader.h"
#include "agent/source/files/files_source.h"
#include "agent/source/files/path_filter.h"
#include "agent/source/files/tree_walker.h"

namespace holdfast::source {

class FilesRun final : public TreeVisitor {
 public:
  FilesRun(const FilesOptions& options, const PathFilter& filter, Clock& clock,
           SnapshotBuilder& builder, std::stop_token stop);

  // The whole tree below an open directory.
  absl::StatusOr<SourceResult> ReadTree(UniqueFd root, const struct stat& info);
  // The one file (or other thing) `name` below `directory_fd`.
  absl::StatusOr<SourceResult> ReadOne(int directory_fd, const std::string& name);

  bool Wants(const std::string& path, PathType type) override;
  absl::StatusOr<Descend> VisitDirectory(const std::string& path, int fd,
                                         const struct stat& info) override;
  absl::Status VisitOther(const std::string& path, int directory_fd, const char* name,
                          const struct stat& info) override;
  absl::Status VisitUnreadable(const std::string& path, int error_number,
                               const struct stat* info) override;

 private:
  absl::Status VisitFile(const std::string& path, int directory_fd, const char* name,
                         const struct stat& info);
  absl::Status StoreFile(const std::string& path, int directory_fd, const char* name);
  absl::StatusOr<bool> ReuseUnchanged(const std::string& path, const struct stat& info);
  absl::Status AddParents(const std::string& path);
  absl::Status AddEntry(Entry entry);
  void ReportXattrs(const std::string& path, int error_number);
  absl::Status Skip(const std::string& path, int error_number);
  void Count(std::uint64_t bytes);
  SourceResult Result(const struct stat& root) const;

  const FilesOptions& options_;
  const PathFilter& filter_;
  SnapshotBuilder& builder_;
  const std::stop_token stop_;
  std::unique_ptr<ContentLane> lane_;
  FileMetadata metadata_;
  FileReader reader_;

  std::uint64_t root_device_ = 0;
  PathFilter::Verdict verdict_ = PathFilter::Verdict::kIn;  // of the last path asked for
  std::vector<Entry> parents_;  // directories on the way to the next included path, not added yet

  struct Links {
    std::string first_path;
    std::uint64_t left = 0;  // names not seen yet
  };
  absl::flat_hash_map<std::pair<std::uint64_t, std::uint64_t>, Links> links_;

  std::vector<std::string> notes_;
  std::size_t skipped_count_ = 0;
  std::uint64_t file_count_ = 0;
  std::uint64_t directory_count_ = 0;
  std::uint64_t content_bytes_ = 0;
  std::uint64_t pending_bytes_ = 0;  // progress not reported yet
  std::uint64_t pending_items_ = 0;
};

}  // namespace holdfast::source
