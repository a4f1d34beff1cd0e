#include "agent/source/redis/scan_format.h"

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr ByteView kMagic{"HFKEYS1\n", 8};

absl::Status DamagedScan(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 2212, fmt::format("unable to decode scanned keys: {}", what));
}

}  // namespace

Bytes ScanHeader() { return Bytes(kMagic); }

Bytes EncodeScannedKey(const ScannedKey& key) {
  Writer writer;
  writer.U8('k');
  writer.Field(key.key);
  writer.U64(static_cast<std::uint64_t>(key.expire_at_ms));
  writer.Field(key.payload);
  return writer.Take();
}

Bytes ScanEnd(std::uint64_t count) {
  Writer writer;
  writer.U8('e');
  writer.U64(count);
  return writer.Take();
}

absl::Status ScanDecoder::Feed(ByteView piece, Visit visit) {
  pending_.append(piece);
  Reader reader(pending_);
  std::size_t used = 0;
  if (!header_seen_) {
    if (pending_.size() < kMagic.size()) return absl::OkStatus();
    if (!reader.Magic(kMagic)) return DamagedScan("wrong header");
    header_seen_ = true;
    used = kMagic.size();
  }
  while (reader.remaining() > 0) {
    if (ended_) return DamagedScan("bytes follow the end");
    const std::uint8_t tag = reader.U8();
    if (tag == 'e') {
      const std::uint64_t count = reader.U64();
      if (!reader.ok()) break;
      if (count != count_) return DamagedScan("the number of keys is wrong");
      ended_ = true;
    } else if (tag == 'k') {
      ScannedKey key;
      key.key = reader.Field();
      key.expire_at_ms = static_cast<std::int64_t>(reader.U64());
      key.payload = reader.Field();
      if (!reader.ok()) break;
      ++count_;
      RETURN_IF_ERROR(visit(key));
    } else {
      return DamagedScan("unknown record");
    }
    used = pending_.size() - reader.remaining();
  }
  pending_.erase(0, used);
  return absl::OkStatus();
}

absl::Status ScanDecoder::Finish() const {
  return ended_ && pending_.empty() ? absl::OkStatus() : DamagedScan("it ends too early");
}

}  // namespace holdfast::redis
