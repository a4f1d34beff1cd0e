#include "common/snapshot/snapshot_view.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {

absl::StatusOr<Bytes> ReadAll(const SnapshotView& view, const Entry& entry,
                              std::size_t limit_bytes) {
  if (entry.content_bytes > limit_bytes) {
    return Error(ErrorKind::kUsage, 3001,
                 fmt::format("unable to read '{}' whole: it has {} bytes, the limit is {}",
                             Escaped(entry.path), entry.content_bytes, limit_bytes));
  }
  Bytes result;
  RETURN_IF_ERROR(view.Read(entry, [&](ByteView piece) {
    result.append(piece);
    return absl::OkStatus();
  }));
  return result;
}

}  // namespace holdfast
