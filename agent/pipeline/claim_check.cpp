#include "agent/pipeline/claim_check.h"

#include <algorithm>
#include <cstdint>

#include "common/base/error.h"

namespace holdfast::pipeline {

std::vector<ChunkId> DrawClaims(const std::vector<ChunkId>& claimed, std::size_t count, Rng& rng) {
  std::vector<ChunkId> drawn;
  // A list may name a chunk many times: a draw that hits one again is lost, which bounds the work.
  for (std::size_t i = 0; i < count && !claimed.empty(); ++i) {
    std::uint64_t number = 0;
    rng.Fill(reinterpret_cast<char*>(&number), sizeof number);
    const ChunkId& id = claimed[number % claimed.size()];
    if (std::find(drawn.begin(), drawn.end(), id) == drawn.end()) drawn.push_back(id);
  }
  return drawn;
}

void CheckClaims(ChunkReader& reader, ObjectType type, const std::vector<ChunkId>& claims,
                 std::vector<BrokenClaim>* broken) {
  for (const ChunkId& id : claims) {
    const absl::Status status = reader.Get(type, {id}).status();
    if (status.ok()) continue;
    const ErrorKind kind = KindOf(status);
    if (kind != ErrorKind::kIntegrity && kind != ErrorKind::kNotFound) break;
    broken->push_back({id, MessageOf(status)});
  }
}

}  // namespace holdfast::pipeline
