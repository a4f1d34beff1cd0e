// Randomness, as a seam. The real one is OpenSSL's CSPRNG (RAND_bytes); tests use a seeded one.
// Threading: every method from any thread. A real generator that fails aborts: no key may be weak.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void Fill(char* data, std::size_t size) = 0;

  Bytes Draw(std::size_t size) {
    Bytes result(size, '\0');
    Fill(result.data(), size);
    return result;
  }
  template <typename Fixed>
  Fixed DrawFixed() {
    Fixed result;
    Fill(result.data(), Fixed::kSize);
    return result;
  }
};

Rng& RealRng();

}  // namespace holdfast
