#include "controller/rebuild/pack_scan.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/pack_file.h"
#include "fmt/format.h"

namespace holdfast::rebuild {
namespace {

constexpr std::uint64_t kMaxPackBytes = 256ull << 20;
constexpr std::uint32_t kHeaderBytes = 256;        // an object's header has at most 225
constexpr std::uint64_t kSmallObjects = 64 << 10;  // below this on average, one read is faster

// The bytes of a pack's headers: of the whole file in memory, or one read each.
class HeaderBytes {
 public:
  static absl::StatusOr<HeaderBytes> Open(FileSystem& fs, const std::string& path,
                                          const PackIndex& index) {
    HeaderBytes bytes;
    const std::size_t count = std::max<std::size_t>(index.entries.size(), 1);
    if (index.size_bytes / count < kSmallObjects && index.size_bytes <= kMaxPackBytes) {
      ASSIGN_OR_RETURN(bytes.whole_, fs.ReadFile(path, kMaxPackBytes));
    } else {
      ASSIGN_OR_RETURN(bytes.file_, fs.OpenRead(path));
    }
    return bytes;
  }

  absl::StatusOr<ObjectHeader> At(const PackEntry& entry) const {
    if (!file_) return ParseObjectHeader(ByteView(whole_).substr(entry.offset_bytes));
    ASSIGN_OR_RETURN(const Bytes head,
                     file_->ReadAt(entry.offset_bytes, std::min(entry.length_bytes, kHeaderBytes)));
    return ParseObjectHeader(head);
  }

 private:
  Bytes whole_;
  std::unique_ptr<File> file_;
};

void AddChunk(const PackEntry& entry, ObjectHeader header, ScannedPack* scanned) {
  if (scanned->pack.domain.IsZero()) scanned->pack.domain = header.domain;
  if (header.domain != scanned->pack.domain) {
    scanned->damage.push_back(
        fmt::format("the object at {} is of another domain", entry.offset_bytes));
    return;
  }
  scanned->chunks.push_back(
      {entry.id, entry.offset_bytes, entry.length_bytes, std::move(header.bases)});
}

absl::Status ScanWithoutIndex(FileSystem& fs, const std::string& path, ScannedPack* scanned) {
  ASSIGN_OR_RETURN(const Bytes file, fs.ReadFile(path, kMaxPackBytes));
  scanned->pack.size_bytes = file.size();
  for (const PackEntry& entry : ScanAcrossDamage(file).entries) {
    auto header = ParseObjectHeader(ByteView(file).substr(entry.offset_bytes));
    if (header.ok()) AddChunk(entry, *std::move(header), scanned);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScannedPack> ScanPack(FileSystem& fs, const std::string& path,
                                     const PackName& name) {
  ScannedPack scanned;
  scanned.pack.name = name;
  const auto index = ReadPackIndex(fs, path);
  if (!index.ok()) {
    if (!absl::IsDataLoss(index.status())) return index.status();
    scanned.damage.push_back(MessageOf(index.status()));
    RETURN_IF_ERROR(ScanWithoutIndex(fs, path, &scanned));
    return scanned;
  }
  scanned.pack.size_bytes = index->size_bytes;
  ASSIGN_OR_RETURN(const HeaderBytes headers, HeaderBytes::Open(fs, path, *index));
  for (const PackEntry& entry : index->entries) {
    auto header = headers.At(entry);
    if (!header.ok() || header->chunk_id != entry.id ||
        header->object_bytes() != entry.length_bytes) {
      scanned.damage.push_back(fmt::format("the object of {} bytes at {} is damaged",
                                           entry.length_bytes, entry.offset_bytes));
      continue;
    }
    AddChunk(entry, *std::move(header), &scanned);
  }
  return scanned;
}

}  // namespace holdfast::rebuild
