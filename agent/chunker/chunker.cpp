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
  for (std::size_t i = 0; i < gear_.size(); ++i) shifted_gear_[i] = gear_[i] << 1;
  const int bits = std::countr_zero(sizes.average_bytes);
  mask_before_ = Mask(bits + 2);
  mask_after_ = Mask(bits - 2);
}

std::optional<std::size_t> Chunker::Find(ByteView data, Progress* progress) const {
  const std::size_t end = std::min<std::size_t>(data.size(), sizes_.max_bytes);
  const std::size_t middle = std::min<std::size_t>(end, sizes_.average_bytes);
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  progress->position = std::max<std::size_t>(progress->position, sizes_.min_bytes);
  if (Scan(bytes, middle, mask_before_, progress)) return progress->position;
  if (Scan(bytes, end, mask_after_, progress)) return progress->position;
  if (end == sizes_.max_bytes) return end;
  return std::nullopt;
}

std::size_t Chunker::Cut(ByteView data) const {
  Progress progress;
  return Find(data, &progress).value_or(data.size());
}

// Two bytes a turn: the first one's hash is compared shifted by one, which shortens the chain of
// operations that wait for each other (W. Xia et al., "The Design of Fast Content-Defined Chunking
// for Data Deduplication Based Storage Systems", IEEE TPDS 2020, "rolling two bytes each time").
// The cuts are those of one byte a turn: a mask never reaches the highest bit.
bool Chunker::Scan(const unsigned char* bytes, std::size_t end, std::uint64_t mask,
                   Progress* progress) const {
  std::size_t i = progress->position;
  std::uint64_t hash = progress->hash;
  for (; i + 1 < end; i += 2) {
    hash = (hash << 2) + shifted_gear_[bytes[i]];
    if ((hash & (mask << 1)) == 0) {
      progress->position = i + 1;
      return true;
    }
    hash += gear_[bytes[i + 1]];
    if ((hash & mask) == 0) {
      progress->position = i + 2;
      return true;
    }
  }
  if (i < end) {
    hash = (hash << 1) + gear_[bytes[i++]];
    if ((hash & mask) == 0) {
      progress->position = i;
      return true;
    }
  }
  *progress = {i, hash};
  return false;
}

}  // namespace holdfast::chunker
