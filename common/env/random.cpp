#include "common/env/random.h"

#include <openssl/rand.h>

#include "common/base/error.h"

namespace holdfast {
namespace {

class OpensslRng final : public Rng {
 public:
  void Fill(char* data, std::size_t size) override {
    HOLDFAST_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(data), static_cast<int>(size)) == 1);
  }
};

}  // namespace

Rng& RealRng() {
  static OpensslRng rng;
  return rng;
}

}  // namespace holdfast
