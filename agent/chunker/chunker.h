// Content-defined chunking: FastCDC with normalised cuts and a keyed gear table.
//
// W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
// Deduplication", USENIX ATC 2016: gear hash, cut-point skipping below the minimum, two masks
// around the average (normalisation 2). The gear table comes from the domain's chunker key (HKDF),
// so that cut points differ between domains. This is a measure against recognising known files by
// their chunk sizes, not a proof (docs/SECURITY.md).
// Invariants: cut points depend on the bytes since the last cut and the key only; min ≤ length ≤
//             max except for the last chunk of a stream, which may be shorter than min.
// Threading:  const after construction; any thread.
#pragma once

#include <array>
#include <optional>

#include "common/crypto/secret.h"

namespace holdfast::chunker {

struct ChunkSizes {
  std::uint32_t min_bytes;
  std::uint32_t average_bytes;  // a power of two
  std::uint32_t max_bytes;
};
inline constexpr ChunkSizes kContentSizes{256 << 10, 1 << 20, 4 << 20};
inline constexpr ChunkSizes kManifestSizes{16 << 10, 64 << 10, 256 << 10};
inline constexpr std::uint32_t kSuiteKeyedGear = 1;

class Chunker {
 public:
  Chunker(const SecretBytes& chunker_key, ChunkSizes sizes);

  // How far a chunk was looked through. A new one for each chunk.
  struct Progress {
    std::size_t position = 0;
    std::uint64_t hash = 0;
  };
  // Length of the chunk at the start of `data`, or nothing when its end is not among these bytes.
  // Asked again with more bytes, it goes on where it was.
  std::optional<std::size_t> Find(ByteView data, Progress* progress) const;

  // The same where nothing follows `data`, or at least max_bytes are there.
  std::size_t Cut(ByteView data) const;

  const ChunkSizes& sizes() const { return sizes_; }

 private:
  // From `progress` to `end` (exclusive). True: the position is behind a cut.
  bool Scan(const unsigned char* bytes, std::size_t end, std::uint64_t mask,
            Progress* progress) const;

  std::array<std::uint64_t, 256> gear_;
  std::array<std::uint64_t, 256> shifted_gear_;  // by one bit
  ChunkSizes sizes_;
  std::uint64_t mask_before_;  // harder: two more bits
  std::uint64_t mask_after_;   // easier: two bits fewer
};

}  // namespace holdfast::chunker
