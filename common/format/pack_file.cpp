#include "common/format/pack_file.h"

#include "common/base/error.h"
#include "common/format/object.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kObjectMagic{"HFOB", 4};

}  // namespace

absl::StatusOr<PackIndex> ReadPackIndex(FileSystem& fs, const std::string& path) {
  const auto cut = [&](std::string_view what) {
    return Error(ErrorKind::kIntegrity, 4030,
                 fmt::format("unable to read pack '{}': {}", Escaped(path), what));
  };
  const auto in_file = [&](absl::Status status) {
    return WithContext(std::move(status), fmt::format("pack '{}'", Escaped(path)));
  };
  ASSIGN_OR_RETURN(const auto file, fs.OpenRead(path));
  PackIndex index;
  ASSIGN_OR_RETURN(index.size_bytes, file->Size());
  if (index.size_bytes < kPackHeader.size() + kPackTrailerBytes) return cut("it is cut");
  ASSIGN_OR_RETURN(const Bytes header, file->ReadAt(0, kPackHeader.size()));
  if (header != kPackHeader) return cut("it does not begin like a pack");
  ASSIGN_OR_RETURN(const Bytes trailer,
                   file->ReadAt(index.size_bytes - kPackTrailerBytes, kPackTrailerBytes));
  const auto footer_bytes = DecodePackTrailer(trailer);
  if (!footer_bytes.ok()) return in_file(footer_bytes.status());
  if (*footer_bytes > index.size_bytes - kPackHeader.size()) {
    return cut("its footer is longer than the file");
  }
  index.footer_offset = index.size_bytes - *footer_bytes;
  ASSIGN_OR_RETURN(const Bytes footer, file->ReadAt(index.footer_offset, *footer_bytes));
  auto entries = DecodePackFooter(footer, index.footer_offset);
  if (!entries.ok()) return in_file(entries.status());
  for (const PackEntry& entry : *entries) {
    if (entry.offset_bytes > index.footer_offset) return cut("an object lies outside the file");
  }
  index.entries = *std::move(entries);
  return index;
}

PackScan ScanAcrossDamage(ByteView file) {
  PackScan scan;
  scan.valid_bytes = kPackHeader.size();
  std::uint64_t at = scan.valid_bytes;
  while ((at = file.find(kObjectMagic, at)) != ByteView::npos) {
    const ByteView rest = file.substr(at);
    const auto header = ParseObjectHeader(rest);
    if (!header.ok() || header->object_bytes() > rest.size()) {
      ++at;
      continue;
    }
    const ByteView object = rest.substr(0, header->object_bytes());
    scan.entries.push_back({header->chunk_id, at, header->object_bytes(), Crc32(object)});
    at += object.size();
    scan.valid_bytes = at;
  }
  return scan;
}

}  // namespace holdfast
