// Compiled as C++23 (common/CMakeLists.txt), alone in that: the standard has no such resize before.
#include "common/base/uninitialized.h"

namespace holdfast {

void ResizeUninitialized(Bytes* bytes, std::size_t size) {
  bytes->resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
}

}  // namespace holdfast
