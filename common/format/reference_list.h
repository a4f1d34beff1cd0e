// The clear list of chunk ids that one snapshot references, beside its record: full, or the
// difference to the snapshot before. The record names its SHA-256, so it is signed.
//
// Invariants: ids are sorted and unique; added and removed do not meet; decoders check both.
// Layout: "HFREFS1\n" ‖ kind u8 (0 full, 1 difference) ‖ base_seq u64 ‖ added u64 ‖ removed u64 ‖
// added × 32 ‖ removed × 32. Threading: values. Errors: kIntegrity 4040….
#pragma once

#include <vector>

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

}  // namespace holdfast
