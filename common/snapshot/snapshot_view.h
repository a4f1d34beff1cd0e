// A committed snapshot, opened with a key: its facts, its entries, the verified bytes of an entry.
//
// Hides:      manifest chunks, fetching, unsealing, id checks, caching of chunks shared by small
//             files.
// Invariants: I1  Bytes handed out were authenticated: sealed object opened, chunk id recomputed.
//                 Damage ends the read with kIntegrity before a wrong byte is handed out.
//             I2  ForEachEntry goes in manifest order (ComparePaths); every path passed
//                 ValidatePath, or the walk ends with kIntegrity.
// Threading:  every method from any thread; callbacks run on the caller's thread.
// Errors:     kIntegrity, kNotFound, kUnreachable (store or controller), kPermission (key).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/format/entry.h"

namespace holdfast {

struct Problem {
  std::string path;
  std::string reason;
};

// Facts of a snapshot from the sealed part of its record.
struct SnapshotInfo {
  SourceId source_id;
  std::string source_name;
  std::string kind;  // files, postgres, redis
  std::uint64_t seq = 0;
  absl::Time taken_at;
  bool partial = false;  // some entries were skipped or are inconsistent: see problems
  std::uint64_t entry_count = 0;
  std::uint64_t content_bytes = 0;                // sum over entries
  std::string position;                           // LSN, replication offset, empty for files
  std::map<std::string, std::string> attributes;  // server version, encoding, point_in_time=no …
  std::vector<std::string> notes;                 // what could not be taken, in words
  std::vector<Problem> problems;                  // capped at 1,000
};

class SnapshotView {
 public:
  virtual ~SnapshotView() = default;

  virtual const SnapshotInfo& info() const = 0;
  virtual absl::Status ForEachEntry(absl::FunctionRef<absl::Status(const Entry&)> visit) const = 0;
  // The same with paths as they are stored: for a caller that calls ValidatePath itself, to leave
  // out what is bad and go on.
  virtual absl::Status ForEachEntryAsStored(
      absl::FunctionRef<absl::Status(const Entry&)> visit) const {
    return ForEachEntry(visit);
  }
  virtual absl::StatusOr<Entry> Find(std::string_view path) const = 0;  // kNotFound

  // The entry's content (extents only, for sparse files) in order, in pieces of at most 4 MiB.
  virtual absl::Status Read(const Entry& entry,
                            absl::FunctionRef<absl::Status(ByteView)> consume) const = 0;

  // Tells the view that these entries will be read soon, in this order; it may prefetch.
  virtual void Prefetch(const std::vector<const Entry*>& entries) const { (void)entries; }
};

// Whole content of one small entry; kUsage above `limit_bytes`.
absl::StatusOr<Bytes> ReadAll(const SnapshotView& view, const Entry& entry,
                              std::size_t limit_bytes = 64u << 20);

}  // namespace holdfast
