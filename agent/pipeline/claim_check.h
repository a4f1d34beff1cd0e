// A controller says that it has chunks; a few of them are asked back, so that it cannot say so for
// long without having them (fault row 63).
//
// With k of n chunks asked back per run, a controller that lacks m of them is found with a
// probability of 1 - (1 - m/n)^k in each run (the sampling of G. Ateniese et al., "Provable Data
// Possession at Untrusted Stores", CCS 2007, with the chunks themselves as the proof).
//
// Threading: one call at a time per reader.
// Errors:    none: what could not be asked is not counted as checked.
#pragma once

#include <vector>

#include "common/env/random.h"
#include "common/snapshot/chunk_reader.h"

namespace holdfast::pipeline {

inline constexpr std::size_t kContentClaims = 4;  // of a run
inline constexpr std::size_t kManifestClaims = 1;

struct BrokenClaim {
  ChunkId chunk;
  std::string reason;
};

// At most `count` of `claimed`, each once, drawn evenly.
std::vector<ChunkId> DrawClaims(const std::vector<ChunkId>& claimed, std::size_t count, Rng& rng);

// Appends those that are not given. A controller that cannot be reached breaks no claim and ends
// the check.
void CheckClaims(ChunkReader& reader, ObjectType type, const std::vector<ChunkId>& claims,
                 std::vector<BrokenClaim>* broken);

}  // namespace holdfast::pipeline
