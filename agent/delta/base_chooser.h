// Which old chunks a new one resembles: found by an edge that stayed the same, else by its place
// between neighbours.
//
// The old content is one stream of chunks. A new chunk whose first and last 64 bytes begin and end
// old chunks that are near each other is laid over the old stream there; without an edge it is laid
// where the chunk before it ended, the first one where the old stream began. One edge alone may be
// a text that occurs in many places, and is always a chunk's end where it does: when it says
// something else than the place, both are told. What it overlaps, at most three old chunks, are its
// bases; an old chunk that is itself a delta stands for its own bases, so that a base is never a
// delta.
//
// Invariants: a choice names at most kMaxBases plain chunks, each once, in the order of the stream;
//             together with the chunk they have at most kMaxWindowBytes.
// Threading:  a BaseChooser is not changed after it was made; a Cursor belongs to one thread.
#pragma once

#include <optional>
#include <vector>

#include "agent/delta/delta_state.h"

namespace holdfast::delta {

// Bounds the memory of a compressor: its hash table has half as many entries.
inline constexpr std::size_t kMaxWindowBytes = 8u << 20;
// A smaller chunk gains less than its base costs to read.
inline constexpr std::size_t kMinDeltaBytes = 4096;

struct BaseChoice {
  std::vector<Base> bases;               // empty: no idea
  std::uint64_t spent_bytes = 0;         // by the old chunks it follows, see KnownChunk
  std::size_t expected_plain_bytes = 0;  // of the new chunk without a base; 0: no idea
  // Where the two should be alike, if at all: a place in the chunk, the base with the largest
  // share, and the place in it (of which less is known when an old delta had several bases).
  std::size_t chunk_at = 0;
  std::size_t likely_base = 0;  // index
  std::size_t base_at = 0;
  bool base_at_is_known = true;
  // By an edge that it shares with old content, not by its place alone.
  bool has_edge = false;
  // At most one: what to try when this one turns out not to be like the chunk.
  std::vector<BaseChoice> others{};
  // It takes the place of old content, also when it should become a new base and has none itself.
  bool replaces = false;
};

class BaseChooser {
 public:
  explicit BaseChooser(const DeltaState& state);  // outlives the chooser

  class Cursor {
   public:
    explicit Cursor(const BaseChooser& chooser) : chooser_(chooser) {}
    // To be asked for every chunk of a stream, in order, also for those that are known.
    BaseChoice Next(const ChunkId& id, ByteView plaintext);

   private:
    const BaseChooser& chooser_;
    std::uint64_t end_ = 0;  // in the old stream, of the chunk before; a stream begins where it did
    bool end_is_sure_ = false;  // by an id, two edges, or an edge that agrees with the place
  };

 private:
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  struct Edges {
    std::optional<Range> range;
    bool both = false;
  };
  Edges ByEdges(ByteView plaintext) const;
  BaseChoice Overlapping(const Range& range, std::size_t chunk_bytes, bool has_edge) const;

  const std::vector<KnownChunk>& chunks_;
  std::vector<std::uint64_t> begins_;  // in the old stream, of each chunk; one more for the end
  absl::flat_hash_map<ChunkId, std::uint32_t> by_id_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> by_first_edge_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> by_last_edge_;
};

// The line's deltas cost as much as a plain chunk: time for a new base. (With deltas that grow by
// the same amount in every run this is where the sum of all writes is smallest.) The place where it
// happens differs by chunk, so that a table is not rewritten in one run.
bool ShouldRebase(const ChunkId& id, const BaseChoice& choice);

}  // namespace holdfast::delta
