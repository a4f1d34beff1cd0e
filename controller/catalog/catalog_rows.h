// The rows of the catalog, as values: what Catalog takes and gives.
//
// Times are Unix milliseconds, UTC.
// Invariants: ids are raw; a zero PackName means "still open".
// Threading:  values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/crypto.h"
#include "common/format/pack.h"
#include "controller/catalog/id_sequence.h"

namespace holdfast::catalog {

struct Installation {
  Bytes controller_id;  // 16, made at the first Open
  std::optional<PublicKey> owner;
  Bytes recipients;  // newest owner-signed list, empty before init
  std::uint64_t recipients_version = 0;
};

struct AgentRow {
  AgentId id;
  std::string name;
  std::optional<DomainId> domain;  // after PublishDomain
  Hash256 key_pin;                 // SHA-256 of the certificate's SubjectPublicKeyInfo
  std::uint64_t certificate_not_after_ms = 0;
  bool removed = false;
  std::uint64_t enrolled_at_ms = 0;
  std::uint64_t last_seen_ms = 0;
  std::int64_t clock_skew_ms = 0;
  std::string host;
  std::string software_version;
};

struct TokenRow {
  Bytes id;  // 16
  Hash256 secret_hash;
  std::string agent_name;
  std::uint64_t expires_at_ms = 0;
};

struct SourceRow {
  std::int64_t row = 0;  // small integer used in spans
  SourceId id;
  AgentId agent;
  std::string name;
  std::string kind;
  std::uint64_t head_seq = 0;  // 0: no snapshot
};

struct PackLocation {
  std::int64_t pack_row = 0;
  PackName name;  // zero while open
  std::uint64_t open_number = 0;
};

struct ChunkLocation {
  PackLocation pack;
  std::uint64_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
};

using DeltaBases = std::map<ChunkId, std::vector<ChunkId>>;  // of deltas that are added

// What the catalog knows of a chunk that was asked for.
struct ChunkPresence {
  bool live = false;
  std::vector<ChunkId> bases;  // not empty: it is stored as a delta
};

struct SnapshotRow {
  SourceId source;
  AgentId agent;
  DomainId domain;
  std::uint64_t seq = 0;
  Hash256 snapshot_id;
  std::uint64_t taken_at_ms = 0;
  std::uint64_t committed_at_ms = 0;
  bool partial = false;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t chunk_count = 0;
  std::uint64_t duration_ms = 0;
  std::uint64_t verified_at_ms = 0;
};

struct SnapshotCommit {
  SourceId source;
  Bytes run_id;           // 16
  std::uint64_t seq = 0;  // must be head + 1, else kConflict
  Hash256 snapshot_id;
  std::uint64_t taken_at_ms = 0;
  bool partial = false;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t duration_ms = 0;
  bool full = true;  // `added` is the whole reference set: the catalog finds the difference itself
  IdSequence added;  // sorted, unique
  IdSequence removed;  // difference only
};

inline constexpr std::size_t kMaxMissingNamed = 65'536;

struct CommitResult {
  SnapshotRow snapshot;
  // Not empty: nothing was committed. The first of them, kMaxMissingNamed at most.
  std::vector<ChunkId> missing;
};

struct RunFailure {
  std::uint64_t at_ms = 0;
  std::uint32_t exit_code = 0;
  std::uint32_t error_code = 0;
  std::string message;
  std::uint64_t in_row = 1;  // so many runs failed since the last success
};

struct Totals {
  std::uint64_t pack_count = 0;
  std::uint64_t pack_bytes = 0;  // open packs included
  std::uint64_t chunk_count = 0;
};

}  // namespace holdfast::catalog
