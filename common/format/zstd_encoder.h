// Compression of a chunk into one zstd frame (RFC 8878), by itself or against a base that whoever
// decompresses it gives as prefix.
//
// Hides:      zstd's contexts and parameters; which of two ways finds what the base has.
// Invariants: I1  What it gives decompresses to the plaintext. Frames from AlignWithBase, whose
//                 sequences are ours, were decompressed and compared before they are given.
// Threading:  one thread at a time.
// Errors:     none; 0 where a frame would not be small enough.
#pragma once

#include <memory>

#include "common/base/bytes.h"

namespace holdfast {

class ZstdEncoder {
 public:
  explicit ZstdEncoder(int level);
  ~ZstdEncoder();

  // Each puts the frame at the beginning of `buffer`, which it enlarges as needed, and returns the
  // frame's size, or 0 when that would exceed `limit`.
  std::size_t Compress(ByteView plaintext, std::size_t limit, Bytes* buffer);
  std::size_t CompressAgainst(ByteView base, ByteView plaintext, std::size_t limit, Bytes* buffer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
