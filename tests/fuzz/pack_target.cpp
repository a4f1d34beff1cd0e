#include "common/format/pack.h"

#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

void CheckEntries(const std::vector<PackEntry>& entries, std::uint64_t limit) {
  std::uint64_t end = kPackHeader.size();
  for (const PackEntry& entry : entries) {
    HOLDFAST_CHECK(entry.offset_bytes >= end && entry.length_bytes > 0);
    HOLDFAST_CHECK(entry.offset_bytes <= limit && entry.length_bytes <= limit - entry.offset_bytes);
    end = entry.offset_bytes + entry.length_bytes;
  }
}

}  // namespace

void Pack(ByteView input) {
  const auto length =
      DecodePackTrailer(input.substr(input.size() - std::min(input.size(), kPackTrailerBytes)));
  if (length.ok() && *length <= input.size()) {
    const std::uint64_t offset = input.size() - *length;
    const auto entries = DecodePackFooter(input.substr(offset), offset);
    if (entries.ok()) CheckEntries(*entries, offset);
  }

  // The same bytes with a checksum that fits, so that the rest of the decoder is reached.
  Writer footer;
  footer.Raw(input);
  footer.U32(Crc32(input));
  footer.U32(static_cast<std::uint32_t>(input.size() + 4 + kPackTrailerBytes));
  footer.Raw(ByteView("HFEND1\n\0", 8));
  const auto entries = DecodePackFooter(footer.bytes(), 10'000);
  if (entries.ok()) CheckEntries(*entries, 10'000);

  const Bytes file = Bytes(kPackHeader) + Bytes(input);
  const PackScan scan = ScanOpenPack(file).value();
  HOLDFAST_CHECK(scan.valid_bytes <= file.size());
  CheckEntries(scan.entries, scan.valid_bytes);
}

}  // namespace holdfast::fuzz
