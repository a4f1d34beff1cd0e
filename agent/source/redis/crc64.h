// CRC-64 as Redis computes it (Jones polynomial, reflected, start 0, no final exclusive-or).
//
// Crc64(0, "123456789") is 0xe9c6d914c4b8d9ca.
// Threading:  pure.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::redis {

// The checksum of what `crc` covered followed by `bytes`.
std::uint64_t Crc64(std::uint64_t crc, ByteView bytes);

}  // namespace holdfast::redis
