#include "agent/chunker/chunker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/base/error.h"
#include "common/crypto/crypto.h"

namespace holdfast::chunker {
namespace {

// `bits` ones in the upper half, where the gear hash mixes the most bytes.
std::uint64_t Mask(int bits) { return ((std::uint64_t{1} << bits) - 1) << (63 - bits); }

}  // namespace

Chunker::Chunker(const SecretBytes& chunker_key, ChunkSizes sizes) : sizes_(sizes) {
  HOLDFAST_CHECK(std::has_single_bit(sizes.average_bytes) &&
                 sizes.min_bytes < sizes.average_bytes && sizes.average_bytes < sizes.max_bytes);
  const SecretBytes table =
      HkdfSha256(chunker_key.view(), "", "holdfast gear table v1", sizeof gear_);
  std::memcpy(gear_.data(), table.view().data(), sizeof gear_);
  const int bits = std::countr_zero(sizes.average_bytes);
  mask_before_ = Mask(bits + 2);
  mask_after_ = Mask(bits - 2);
}

std::size_t Chunker::Cut(ByteView data) const {
  if (data.size() <= sizes_.min_bytes) return data.size();
  const std::size_t end = std::min<std::size_t>(data.size(), sizes_.max_bytes);
  const std::size_t middle = std::min<std::size_t>(end, sizes_.average_bytes);
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::uint64_t hash = 0;
  std::size_t i = sizes_.min_bytes;
  for (; i < middle; ++i) {
    hash = (hash << 1) + gear_[bytes[i]];
    if ((hash & mask_before_) == 0) return i + 1;
  }
  for (; i < end; ++i) {
    hash = (hash << 1) + gear_[bytes[i]];
    if ((hash & mask_after_) == 0) return i + 1;
  }
  return end;
}

}  // namespace holdfast::chunker
