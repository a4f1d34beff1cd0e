// The entry of libFuzzer; HOLDFAST_FUZZ_TARGET names the function of targets.h.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  holdfast::fuzz::HOLDFAST_FUZZ_TARGET(
      holdfast::ByteView(reinterpret_cast<const char*>(data), size));
  return 0;
}
