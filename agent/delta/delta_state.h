// What an agent remembers of the content chunks of its last snapshot: what each is stored as, and
// by what a changed chunk finds the old ones that it resembles.
//
// Hides:      the state file beside the last manifest's.
// Invariants: I1  A file is used only when its SHA-256 holds and it is of the snapshot asked for;
//                 else there is no state: no deltas, never an error.
//             I2  Every delta of the snapshot is in it, with its bases; of plain chunks the first
//                 kMaxPlain, in the order of the content.
// Threading:  a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/env/file_system.h"

namespace holdfast::delta {

inline constexpr std::size_t kMaxBases = 3;
inline constexpr std::size_t kEdgeBytes = 64;

// A plain chunk that a delta may be made against.
struct Base {
  ChunkId id;
  std::uint32_t plain_bytes = 0;
  std::uint32_t stored_bytes = 0;  // of its object; 0: not known
  friend bool operator==(const Base&, const Base&) = default;
};

struct KnownChunk {
  ChunkId id;
  std::uint32_t plain_bytes = 0;  // 0: not known, then it has no edges either
  std::uint32_t stored_bytes = 0;
  std::uint64_t first_edge = 0;  // hash of the first and last kEdgeBytes
  std::uint64_t last_edge = 0;
  // Bytes of the deltas written in its place since its bases were written, itself included.
  std::uint64_t spent_bytes = 0;
  std::vector<Base> bases;  // empty: it is plain itself

  bool is_delta() const { return !bases.empty(); }
  Base AsBase() const { return {id, plain_bytes, stored_bytes}; }
};

std::uint64_t FirstEdge(ByteView plaintext);
std::uint64_t LastEdge(ByteView plaintext);

class DeltaState {
 public:
  static constexpr std::size_t kMaxPlain = 200'000;  // ~25 MB in memory, ~200 GB of content

  // False, and empty, when there is no usable file for the snapshot with this record.
  bool Load(FileSystem& fs, const std::string& path, const Hash256& record);
  absl::Status Save(FileSystem& fs, const std::string& path, const Hash256& record) const;

  // Nothing when the chunk is there already or there are too many plain ones.
  void Add(KnownChunk chunk);
  void Clear();
  const KnownChunk* Find(const ChunkId& id) const;
  const std::vector<KnownChunk>& chunks() const { return chunks_; }

 private:
  std::vector<KnownChunk> chunks_;
  absl::flat_hash_map<ChunkId, std::uint32_t> by_id_;
  std::size_t plain_count_ = 0;
};

}  // namespace holdfast::delta
