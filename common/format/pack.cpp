#include "common/format/pack.h"

#include <libdeflate.h>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kIndexMagic{"HFINDEX1", 8};
constexpr ByteView kEndMagic{"HFEND1\n\0", 8};
constexpr std::size_t kIndexEntryBytes = 32 + 8 + 4 + 4;

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4030, fmt::format("unable to read pack index: {}", what));
}

}  // namespace

std::uint32_t Crc32(ByteView bytes) { return ::libdeflate_crc32(0, bytes.data(), bytes.size()); }

Bytes EncodePackFooter(const std::vector<PackEntry>& entries) {
  Writer footer;
  footer.Raw(kIndexMagic);
  footer.U32(static_cast<std::uint32_t>(entries.size()));
  for (const PackEntry& entry : entries) {
    footer.Raw(entry.id.view());
    footer.U64(entry.offset_bytes);
    footer.U32(entry.length_bytes);
    footer.U32(entry.crc);
  }
  footer.U32(Crc32(footer.bytes()));
  footer.U32(static_cast<std::uint32_t>(footer.bytes().size() + kPackTrailerBytes));
  footer.Raw(kEndMagic);
  return footer.Take();
}

absl::StatusOr<std::uint32_t> DecodePackTrailer(ByteView trailer) {
  Reader reader(trailer);
  const std::uint32_t size = reader.U32();
  if (!reader.Magic(kEndMagic) || !reader.AtEnd())
    return Damaged("the end mark is missing (cut or not a pack)");
  if (size < kIndexMagic.size() + 8 + kPackTrailerBytes)
    return Damaged("the footer length is too small");
  return size;
}

absl::StatusOr<std::vector<PackEntry>> DecodePackFooter(ByteView footer,
                                                        std::uint64_t footer_offset) {
  if (footer.size() < kIndexMagic.size() + 8 + kPackTrailerBytes) return Damaged("it is cut");
  const std::size_t covered = footer.size() - kPackTrailerBytes - 4;
  Reader reader(footer);
  if (!reader.Magic(kIndexMagic)) return Damaged("the index mark is missing");
  const std::uint32_t count = reader.U32();
  if (covered != kIndexMagic.size() + 4 + std::size_t{count} * kIndexEntryBytes)
    return Damaged("the count does not fit");
  if (Reader(footer.substr(covered)).U32() != Crc32(footer.substr(0, covered)))
    return Damaged("the checksum differs");
  std::vector<PackEntry> entries;
  entries.reserve(count);
  std::uint64_t end = kPackHeader.size();
  for (std::uint32_t i = 0; i < count; ++i) {
    PackEntry entry;
    entry.id = reader.Id<ChunkId>();
    entry.offset_bytes = reader.U64();
    entry.length_bytes = reader.U32();
    entry.crc = reader.U32();
    if (entry.offset_bytes < end || entry.length_bytes == 0 ||
        entry.length_bytes > kMaxObjectBytes || entry.length_bytes > footer_offset ||
        entry.offset_bytes > footer_offset - entry.length_bytes) {
      return Damaged("an object lies outside the file or over another");
    }
    end = entry.offset_bytes + entry.length_bytes;
    entries.push_back(entry);
  }
  return entries;
}

absl::StatusOr<PackScan> ScanOpenPack(ByteView file) {
  if (file.substr(0, kPackHeader.size()) != kPackHeader) {
    return Error(ErrorKind::kIntegrity, 4031,
                 "unable to scan open pack: it does not begin like a pack");
  }
  PackScan scan;
  scan.valid_bytes = kPackHeader.size();
  while (scan.valid_bytes < file.size()) {
    const ByteView rest = file.substr(scan.valid_bytes);
    const auto header = ParseObjectHeader(rest);
    if (!header.ok() || header->object_bytes() > rest.size()) break;
    const ByteView object = rest.substr(0, header->object_bytes());
    scan.entries.push_back(
        {header->chunk_id, scan.valid_bytes, header->object_bytes(), Crc32(object)});
    scan.valid_bytes += object.size();
  }
  return scan;
}

}  // namespace holdfast
