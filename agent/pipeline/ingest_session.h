// The engine's view of the controller during one backup run.
//
// Hides:      the gRPC stream, credits, reconnecting after a cut, sending again what was not
//             STORED.
// Invariants: I1  Send returned OK for an object: it will be STORED before Commit succeeds, or
//                 Commit fails.
//             I2  At most kMaxUnstoredBytes wait for STORED; Send blocks above.
//             I3  Commit with the same run is idempotent.
// Threading:  Ask from one thread, Send from one other; Commit after both are done.
// Errors:     kUnreachable after the reconnect deadline; kConflict when another run of the source
//             is open; kNoSpace, kPermission as the controller says.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast::pipeline {

inline constexpr std::size_t kMaxUnstoredBytes = 32u << 20;

struct Committed {
  std::uint64_t seq = 0;
  Hash256 snapshot_id;
  std::uint64_t committed_at_ms = 0;
  std::uint64_t stored_bytes = 0;
};

struct SessionStart {
  std::uint64_t head_seq = 0;  // 0: no snapshot yet
  Bytes head_record;
  Bytes recipients;  // owner-signed list
  std::optional<Committed> already_committed;
};

struct CommitRequest {
  Bytes record;
  Bytes reference_list;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t duration_ms = 0;
};

struct CommitOutcome {
  Committed committed;
  std::vector<ChunkId> missing;  // not empty: nothing was committed
};

// What the controller has of the chunks it was asked about.
struct KnownChunks {
  std::vector<bool> have;  // in the order of the question
  // Those it has as deltas: index in the question, bases.
  std::vector<std::pair<std::size_t, std::vector<ChunkId>>> deltas;
};

class IngestSession {
 public:
  virtual ~IngestSession() = default;
  virtual absl::StatusOr<SessionStart> Start() = 0;
  virtual absl::StatusOr<KnownChunks> Ask(const std::vector<ChunkId>& ids) = 0;
  virtual absl::Status Send(Bytes object) = 0;
  virtual absl::Status PutEnvelope(const KeyId& key_id, Bytes envelope) = 0;
  virtual absl::StatusOr<CommitOutcome> Commit(const CommitRequest& request) = 0;
};

}  // namespace holdfast::pipeline
