// Reads one regular file into a content lane, and knows whether it changed meanwhile.
//
// Hides:      opening, holes, retries, the wait that makes equal timestamps trustworthy.
// Invariants: I1  A stored entry not marked inconsistent holds the bytes of one state of the file:
//                 size, mtime, ctime and inode were the same before and after reading.
//             I2  Never more than the size found at opening is read: an endless file ends.
//             I3  Nothing but a regular file is read; nothing is mapped into memory.
//             I4  A file of kOwnChunksBytes or more shares no chunk with its neighbours.
// Threading:  one thread.
// Errors:     of the lane, unchanged. What the file itself does wrong is an Outcome.
#pragma once

#include <sys/stat.h>

#include <stop_token>
#include <string>

#include "agent/source/files/file_metadata.h"
#include "agent/source/source.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"

namespace holdfast::source {

struct ReadOutcome {
  enum class State { kStored, kStoredInconsistent, kUnreadable };
  State state = State::kStored;
  int error_number = 0;     // of kUnreadable
  int xattrs_error = 0;     // attributes that could not be read, with any state
  std::uint64_t bytes = 0;  // read
};

class FileReader {
 public:
  static constexpr std::uint64_t kOwnChunksBytes = 1 << 20;

  FileReader(ContentLane& lane, FileMetadata& metadata, Clock& clock, unsigned retries)
      : lane_(lane), metadata_(metadata), clock_(clock), retries_(retries) {}

  // Stores `name` below `directory_fd` as the entry `path`.
  absl::StatusOr<ReadOutcome> Store(const std::string& path, int directory_fd, const char* name,
                                    std::stop_token stop);

 private:
  struct Attempt {
    Entry entry;
    bool changed = false;
    int error_number = 0;
    int xattrs_error = 0;
    std::uint64_t bytes = 0;
  };

  absl::StatusOr<Attempt> TryOnce(const std::string& path, int directory_fd, const char* name,
                                  std::stop_token stop);
  int Open(int directory_fd, const char* name, UniqueFd* fd, struct stat* info);
  void Settle(const UniqueFd& fd, struct stat* info, std::stop_token stop);
  absl::Status Copy(const UniqueFd& fd, Attempt* attempt, std::stop_token stop);
  absl::StatusOr<std::uint64_t> CopyRange(const UniqueFd& fd, Extent range, Attempt* attempt,
                                          std::stop_token stop);

  ContentLane& lane_;
  FileMetadata& metadata_;
  Clock& clock_;
  const unsigned retries_;
  bool keep_access_time_ = true;
};

// The data extents of a file of `size` bytes; nullopt for a file without holes.
std::optional<std::vector<Extent>> DataExtents(int fd, const struct stat& info);

}  // namespace holdfast::source
