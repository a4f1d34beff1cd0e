// Decompression of one zstd frame (RFC 8878), against a base where it was made against one.
//
// Hides:      zstd's context.
// Threading:  one thread at a time. Errors: none; 0 for a frame that is damaged or too large.
#pragma once

#include <memory>

#include "common/base/bytes.h"

namespace holdfast {

class ZstdDecoder {
 public:
  ZstdDecoder();
  ~ZstdDecoder();
  ZstdDecoder(ZstdDecoder&&) noexcept;

  // Puts the plaintext at the beginning of `plaintext`, within its size, and returns its length.
  std::size_t Decompress(ByteView base, ByteView frame, Bytes* plaintext);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
