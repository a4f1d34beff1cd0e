// Order-independent checksum of the rows of a table.
//
// The checksum is the sum, modulo 2^128, of XXH3-128 of every row as COPY text prints it, without
// the newline that ends it; stored as 16 bytes, big-endian. A sum and not an exclusive or, so that
// duplicated rows count. Because addition does not care about order or grouping, the rows of a
// partitioned table have the sum of the checksums of its partitions.
// Threading: a value; one thread at a time.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::source {

class RowChecksum {
 public:
  void AddRow(ByteView row);                              // `row` without its newline
  void Add(const RowChecksum& other);                     // rows of another part of the same table
  bool AddStored(std::uint64_t rows, ByteView checksum);  // false unless `checksum` has 16 bytes

  std::uint64_t rows() const { return rows_; }
  Bytes bytes() const;  // 16 bytes, big-endian

  friend bool operator==(const RowChecksum&, const RowChecksum&) = default;

 private:
  void AddWords(std::uint64_t high, std::uint64_t low);

  std::uint64_t rows_ = 0;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

// Feeds a stream of COPY text, in pieces of any size, row by row into a RowChecksum.
class RowSplitter {
 public:
  explicit RowSplitter(RowChecksum& checksum) : checksum_(checksum) {}
  void Feed(ByteView bytes);
  bool AtRowEnd() const { return pending_.empty(); }  // false: the stream was cut inside a row

 private:
  RowChecksum& checksum_;
  Bytes pending_;
};

}  // namespace holdfast::source
