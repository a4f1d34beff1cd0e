#include "agent/source/postgres/row_checksum.h"

#include <xxhash.h>

namespace holdfast::source {
namespace {

std::uint64_t LoadBigEndian(const char* from) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

void StoreBigEndian(std::uint64_t value, char* to) {
  for (int i = 7; i >= 0; --i, value >>= 8) to[i] = static_cast<char>(value & 0xff);
}

}  // namespace

void RowChecksum::AddWords(std::uint64_t high, std::uint64_t low) {
  low_ += low;
  high_ += high + (low_ < low ? 1 : 0);
}

void RowChecksum::AddRow(ByteView row) {
  const XXH128_hash_t hash = XXH3_128bits(row.data(), row.size());
  AddWords(hash.high64, hash.low64);
  ++rows_;
}

void RowChecksum::Add(const RowChecksum& other) {
  AddWords(other.high_, other.low_);
  rows_ += other.rows_;
}

bool RowChecksum::AddStored(std::uint64_t rows, ByteView checksum) {
  if (checksum.size() != 16) return false;
  AddWords(LoadBigEndian(checksum.data()), LoadBigEndian(checksum.data() + 8));
  rows_ += rows;
  return true;
}

Bytes RowChecksum::bytes() const {
  Bytes result(16, '\0');
  StoreBigEndian(high_, result.data());
  StoreBigEndian(low_, result.data() + 8);
  return result;
}

void RowSplitter::Feed(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == ByteView::npos) {
      pending_.append(bytes);
      return;
    }
    if (pending_.empty()) {
      checksum_.AddRow(bytes.substr(0, end));
    } else {
      pending_.append(bytes.substr(0, end));
      checksum_.AddRow(pending_);
      pending_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace holdfast::source
