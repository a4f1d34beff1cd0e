// Which parts of a chunk are parts of its base, found by walking through both side by side.
//
// A table's rows keep their order from one backup to the next, so two versions of a chunk run in
// step but for places where bytes were changed, put in or left out. Following that costs little
// more than comparing memory: several times faster than a search for repeats everywhere, and it
// finds the row itself in the base where a search takes the row before it, which is as alike.
// The idea of following two files in step and looking for where they meet again: Hunt and
// MacIlroy, "An Algorithm for Differential File Comparison" (1976); Percival, "Naive Differences
// of Executable Code" (2003).
//
// Hides:      how places are found where both run in step again.
// Invariants: I1  Copies are in the order of `data`, do not overlap, lie within `base`, and what
//                 they name is equal in both.
//             I2  Time is linear in what both have in common; all searching together reads at most
//                 a few times the bytes of `base`.
// Threading:  pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast {

struct AlignedCopy {
  std::uint32_t literal_bytes = 0;  // of `data` since the last copy: not in the base
  std::uint32_t copied_bytes = 0;   // at least kMinCopyBytes
  std::uint32_t base_at = 0;
};

inline constexpr std::uint32_t kMinCopyBytes = 16;

// nullopt when more than `max_literal_bytes` of `data` are outside of copies. What follows the last
// copy is literal. Requires both to be below 2 GiB.
std::optional<std::vector<AlignedCopy>> AlignWithBase(ByteView base, ByteView data,
                                                      std::size_t max_literal_bytes);

}  // namespace holdfast
