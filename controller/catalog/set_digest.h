// A digest of a set of chunk ids that follows a change at the cost of the change: for each half of
// the ids the sum modulo 2^128. It finds faults, not malice: the signed reference lists do that.
// Threading: values.
#pragma once

#include "common/format/wire.h"

namespace holdfast::catalog {

class SetDigest {
 public:
  SetDigest() = default;
  explicit SetDigest(ByteView bytes) {
    Reader reader(bytes);
    first_ = Number(reader);
    second_ = Number(reader);
  }

  void Add(const ChunkId& id) {
    Reader reader(id.view());
    first_ += Number(reader);
    second_ += Number(reader);
  }
  void Remove(const ChunkId& id) {
    Reader reader(id.view());
    first_ -= Number(reader);
    second_ -= Number(reader);
  }
  Bytes bytes() const {
    Writer writer;
    for (const Sum sum : {first_, second_}) {
      writer.U64(static_cast<std::uint64_t>(sum));
      writer.U64(static_cast<std::uint64_t>(sum >> 64));
    }
    return writer.Take();
  }

 private:
  __extension__ using Sum = unsigned __int128;

  static Sum Number(Reader& reader) {
    const std::uint64_t low = reader.U64();
    return (Sum{reader.U64()} << 64) | low;
  }

  Sum first_ = 0;
  Sum second_ = 0;
};

}  // namespace holdfast::catalog
