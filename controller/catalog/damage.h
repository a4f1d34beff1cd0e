// What is lost or damaged in the store, as the catalog knows it: values of the methods of Catalog
// that a scrub uses.
// Threading:  values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::catalog {

struct SealedPack {
  PackName name;
  std::uint64_t size_bytes = 0;
};

// A chunk where the catalog has it.
struct PlacedChunk {
  ChunkId id;
  std::uint64_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
};

// A source with snapshots that need a chunk that is not LIVE.
struct DamagedSource {
  SourceId id;
  std::string name;
  std::uint64_t chunks = 0;
  std::vector<std::uint64_t> seqs;  // ascending
};

}  // namespace holdfast::catalog
