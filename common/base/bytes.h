// Byte strings, fixed-size identifiers and hexadecimal text.
//
// Bytes are std::string and views are std::string_view: protobuf, SQLite, OpenSSL and zstd all take
// them without a copy. A FixedBytes<Tag, N> is N bytes with a type of its own, so that a chunk id
// cannot be passed where a pack name is meant.
// Threading: values; as safe as ints.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

using Bytes = std::string;
using ByteView = std::string_view;

std::string ToHex(ByteView bytes);
std::optional<Bytes> FromHex(std::string_view hex);  // nullopt on odd length or a foreign character

// Printable form of untrusted text: control characters, ESC, invalid UTF-8 and backslash become
// \xNN, cut after `limit` bytes with "…". For messages and logs; never for paths that are used.
std::string Escaped(std::string_view text, std::size_t limit = 200);

template <typename Tag, std::size_t N>
class FixedBytes {
 public:
  static constexpr std::size_t kSize = N;

  FixedBytes() { data_.fill('\0'); }

  // nullopt unless `bytes` has exactly N bytes.
  static std::optional<FixedBytes> From(ByteView bytes) {
    if (bytes.size() != N) return std::nullopt;
    FixedBytes result;
    std::memcpy(result.data_.data(), bytes.data(), N);
    return result;
  }
  static std::optional<FixedBytes> FromHexText(std::string_view hex) {
    auto bytes = FromHex(hex);
    return bytes ? From(*bytes) : std::nullopt;
  }

  ByteView view() const { return {data_.data(), N}; }
  Bytes bytes() const { return Bytes(view()); }
  std::string hex() const { return ToHex(view()); }
  char* data() { return data_.data(); }
  const char* data() const { return data_.data(); }
  bool IsZero() const {
    return std::all_of(data_.begin(), data_.end(), [](char c) { return c == '\0'; });
  }

  friend bool operator==(const FixedBytes& a, const FixedBytes& b) { return a.view() == b.view(); }
  friend auto operator<=>(const FixedBytes& a, const FixedBytes& b) {
    return a.view() <=> b.view();
  }

  template <typename H>
  friend H AbslHashValue(H h, const FixedBytes& value) {
    return H::combine(std::move(h), value.view());
  }

 private:
  std::array<char, N> data_;
};

using ChunkId = FixedBytes<struct ChunkIdTag, 32>;    // HMAC-SHA256 of type and plaintext
using PackName = FixedBytes<struct PackNameTag, 32>;  // SHA-256 of the pack file
using DomainId =
    FixedBytes<struct DomainIdTag, 16>;         // random, one per set of agents that share chunks
using KeyId = FixedBytes<struct KeyIdTag, 16>;  // names a run data key and its envelope
using SourceId = FixedBytes<struct SourceIdTag, 16>;  // random, one per configured source
using AgentId = FixedBytes<struct AgentIdTag, 16>;    // random, one per enrolled agent
using Hash256 = FixedBytes<struct Hash256Tag, 32>;    // plain SHA-256

}  // namespace holdfast
