#include "common/format/manifest.h"

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kMaxEntryBytes = 64u << 20;

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4070, fmt::format("unable to read manifest: {}", what));
}

}  // namespace

void AppendManifestEntry(ByteView encoded_entry, Bytes* out) {
  Writer writer;
  writer.Field(encoded_entry);
  out->append(writer.bytes());
}

absl::Status ManifestDecoder::Feed(ByteView piece, Visit visit) {
  pending_.append(piece);
  ByteView rest = pending_;
  if (!header_seen_) {
    if (rest.size() < kManifestHeader.size()) return absl::OkStatus();
    if (rest.substr(0, kManifestHeader.size()) != kManifestHeader)
      return Damaged("it does not begin with 'HFMANI1'");
    rest.remove_prefix(kManifestHeader.size());
    header_seen_ = true;
  }
  while (rest.size() >= 4) {
    const std::uint32_t size = Reader(rest).U32();
    if (size > kMaxEntryBytes) return Damaged("an entry is larger than 64 MiB");
    if (rest.size() - 4 < size) break;
    ASSIGN_OR_RETURN(Entry entry, DecodeEntry(rest.substr(4, size), paths_));
    rest.remove_prefix(4 + std::size_t{size});
    if (any_ && ComparePaths(last_path_, entry.path) >= 0) {
      return Damaged(fmt::format("entry '{}' is out of order or twice", Escaped(entry.path)));
    }
    any_ = true;
    last_path_ = entry.path;
    RETURN_IF_ERROR(visit(std::move(entry)));
  }
  pending_.erase(0, pending_.size() - rest.size());
  return absl::OkStatus();
}

absl::Status ManifestDecoder::Finish() const {
  if (!header_seen_ || !pending_.empty()) return Damaged("it ends inside an entry");
  return absl::OkStatus();
}

}  // namespace holdfast
