// What the controller knew of a commit and no record says in clear, beside the record: when it
// was, and what it counted. A catalog that is made anew takes it from here.
//
// Invariants: facts belong to the record whose hash they name; without them a snapshot is as good,
//             only its counts are unknown.
// Layout:     "HFCMIT1\n" ‖ snapshot id 32 ‖ run id 16 ‖ committed_at_ms u64 ‖ content_bytes u64 ‖
//             entry_count u64 ‖ stored_bytes u64 ‖ duration_ms u64 ‖ SHA-256 of all before 32
// Threading:  values.
// Errors:     kIntegrity 4045.
#pragma once

#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast {

struct CommitFacts {
  Hash256 snapshot_id;
  Bytes run_id;  // 16
  std::uint64_t committed_at_ms = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t duration_ms = 0;
};

Bytes EncodeCommitFacts(const CommitFacts& facts);
absl::StatusOr<CommitFacts> DecodeCommitFacts(ByteView bytes);

}  // namespace holdfast
