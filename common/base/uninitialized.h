// Room in a string that is written next: std::string::resize would fill it with zeros first, which
// for chunks is a pass over all bytes.
//
// Threading:  as std::string.
#pragma once

#include <cstddef>

#include "common/base/bytes.h"

namespace holdfast {

// What was there stays; what is added has any value.
void ResizeUninitialized(Bytes* bytes, std::size_t size);

// Of any value.
inline Bytes UninitializedBytes(std::size_t size) {
  Bytes bytes;
  ResizeUninitialized(&bytes, size);
  return bytes;
}

}  // namespace holdfast
