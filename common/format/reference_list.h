// The clear list of chunk ids that one snapshot references, beside its record: full, or the
// difference to the snapshot before. The record names its SHA-256, so it is signed.
//
// Layout:     "HFREFS1\n" ‖ kind u8 (0 full, 1 difference) ‖ base_seq u64 ‖ added u64 ‖
//             removed u64 ‖ added × 32 ‖ removed × 32.
// Invariants: ids are sorted and unique; added and removed do not meet; decoders check both.
// Threading:  values.
// Errors:     kIntegrity 4040….
#pragma once

#include <functional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast {

struct ReferenceList {
  bool full = true;
  std::uint64_t base_seq = 0;    // difference: the seq it applies to
  std::vector<ChunkId> added;    // full: all
  std::vector<ChunkId> removed;  // full: none
};

constexpr std::uint64_t kFullReferenceEvery = 16;  // seq % 16 == 1 is written full

Bytes EncodeReferenceList(const ReferenceList& list);
absl::StatusOr<ReferenceList> DecodeReferenceList(ByteView bytes);

// A list that is too large to hold: read in pieces, each time anew.
class ReferenceListReader {
 public:
  using ReadAt = std::function<absl::StatusOr<Bytes>(std::uint64_t offset, std::size_t size)>;
  using Visit = absl::FunctionRef<absl::Status(const ChunkId&)>;

  // Reads all of it once, to check it.
  static absl::StatusOr<ReferenceListReader> Open(std::uint64_t size_bytes, ReadAt read_at);

  bool full() const { return full_; }
  std::uint64_t base_seq() const { return base_seq_; }
  std::uint64_t added_count() const { return added_; }
  std::uint64_t removed_count() const { return removed_; }
  // In ascending order, until one is refused.
  absl::Status ForEachAdded(Visit visit) const;
  absl::Status ForEachRemoved(Visit visit) const;

 private:
  class Cursor;
  explicit ReferenceListReader(ReadAt read_at) : read_at_(std::move(read_at)) {}
  absl::Status ReadHead(std::uint64_t size_bytes);
  absl::Status Check() const;
  Cursor Added() const;
  Cursor Removed() const;

  ReadAt read_at_;
  bool full_ = true;
  std::uint64_t base_seq_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t removed_ = 0;
};

}  // namespace holdfast
