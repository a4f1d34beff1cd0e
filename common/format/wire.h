// Little-endian numbers and length-prefixed fields: the one reader and writer of Holdfast's own
// byte formats.
//
// Invariants: a Reader never reads past its bytes; after the first short read it stays failed, so a
//             decoder may read all fields and ask ok() once before it uses them.
// Threading:  values.
#pragma once

#include <cstdint>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast {

class Writer {
 public:
  void Reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  void U8(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  void U16(std::uint16_t value) { Little(value, 2); }
  void U32(std::uint32_t value) { Little(value, 4); }
  void U64(std::uint64_t value) { Little(value, 8); }
  void Raw(ByteView bytes) { bytes_.append(bytes); }
  void Field(ByteView bytes) {  // u32 length, bytes
    U32(static_cast<std::uint32_t>(bytes.size()));
    Raw(bytes);
  }
  const Bytes& bytes() const { return bytes_; }
  Bytes Take() { return std::move(bytes_); }

 private:
  void Little(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }
  Bytes bytes_;
};

class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(Little(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Little(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Little(4)); }
  std::uint64_t U64() { return Little(8); }
  ByteView Raw(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const ByteView result = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return result;
  }
  ByteView Field() { return Raw(U32()); }
  template <typename Fixed>
  Fixed Id() {
    return Fixed::From(Raw(Fixed::kSize)).value_or(Fixed());
  }
  bool Magic(ByteView magic) {
    if (Raw(magic.size()) != magic) ok_ = false;
    return ok_;
  }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }

 private:
  std::uint64_t Little(std::size_t size) {
    const ByteView raw = Raw(size);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
    }
    return value;
  }

  ByteView rest_;
  bool ok_ = true;
};

}  // namespace holdfast
