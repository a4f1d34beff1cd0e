// The stored form of a database that was read key by key: its keys with the server's DUMP payloads.
//
// Layout:     "HFKEYS1\n", records, end. A record is 'k', key length u32, key, expiry i64
//             (milliseconds since 1970, -1 never), payload length u32, payload; the end is 'e',
//             record count u64. Numbers are little-endian; each key occurs once.
// Invariants: a stream without its end, or with bytes behind it, is never accepted.
// Threading:  one thread.
// Errors:     kIntegrity 2212; the visitor's own.
#pragma once

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/base/bytes.h"

namespace holdfast::redis {

struct ScannedKey {
  ByteView key;
  std::int64_t expire_at_ms = -1;
  ByteView payload;
};

Bytes ScanHeader();
Bytes EncodeScannedKey(const ScannedKey& key);
Bytes ScanEnd(std::uint64_t count);

class ScanDecoder {
 public:
  using Visit = absl::FunctionRef<absl::Status(const ScannedKey&)>;
  absl::Status Feed(ByteView piece, Visit visit);
  absl::Status Finish() const;
  std::uint64_t count() const { return count_; }

 private:
  Bytes pending_;
  bool header_seen_ = false;
  bool ended_ = false;
  std::uint64_t count_ = 0;
};

}  // namespace holdfast::redis
