#include "controller/cli/open_snapshot.h"

#include "common/base/error.h"
#include "controller/cli/key_home.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kZeroBytes = 64 * 1024;

absl::Status ConsumeZeros(std::uint64_t count, absl::FunctionRef<absl::Status(ByteView)> consume) {
  static const Bytes zeros(kZeroBytes, '\0');
  while (count > 0) {
    const std::uint64_t piece = std::min<std::uint64_t>(count, kZeroBytes);
    RETURN_IF_ERROR(consume(ByteView(zeros).substr(0, piece)));
    count -= piece;
  }
  return absl::OkStatus();
}

// The content of a sparse file is its data extents; the holes between them are zeros.
absl::Status ReadSparse(const SnapshotView& view, const Entry& entry,
                        absl::FunctionRef<absl::Status(ByteView)> consume) {
  const std::vector<Extent>& extents = *entry.extents;
  std::size_t index = 0;
  std::uint64_t in_extent = 0;  // bytes taken of extents[index]
  std::uint64_t position = 0;   // in the file
  RETURN_IF_ERROR(view.Read(entry, [&](ByteView piece) -> absl::Status {
    while (!piece.empty()) {
      if (index == extents.size() || extents[index].offset_bytes + in_extent < position) {
        return Error(ErrorKind::kIntegrity, 1131,
                     fmt::format("unable to read '{}': its extents do not fit its content",
                                 Escaped(entry.path)));
      }
      const Extent& extent = extents[index];
      const std::uint64_t at = extent.offset_bytes + in_extent;
      RETURN_IF_ERROR(ConsumeZeros(at - position, consume));
      const std::uint64_t take =
          std::min<std::uint64_t>(piece.size(), extent.length_bytes - in_extent);
      if (take > 0) RETURN_IF_ERROR(consume(piece.substr(0, take)));
      piece.remove_prefix(take);
      position = at + take;
      in_extent += take;
      if (in_extent == extent.length_bytes) {
        ++index;
        in_extent = 0;
      }
    }
    return absl::OkStatus();
  }));
  if (position > entry.size_bytes) return absl::OkStatus();
  return ConsumeZeros(entry.size_bytes - position, consume);
}

}  // namespace

absl::StatusOr<OpenedSnapshot> OpenForReading(Context& context, OperatorClient& client,
                                              const SnapshotSummary& snapshot) {
  const KeyHome home(context.env, HomeDirectory(context));
  ASSIGN_OR_RETURN(const PinnedInstallation pinned, home.Pinned());
  ASSIGN_OR_RETURN(const KeyPair key, home.OperatorKey());
  ASSIGN_OR_RETURN(const SnapshotDocuments documents,
                   client.GetSnapshot(snapshot.source_id, snapshot.seq));
  const std::string name = SnapshotName(snapshot);
  if (RecordHash(documents.record) != snapshot.snapshot_id) {
    return Error(ErrorKind::kIntegrity, 1132,
                 fmt::format("unable to trust snapshot '{}': the controller listed one record and "
                             "gave another",
                             name),
                 "Do not trust this controller before that is explained.");
  }
  auto opened = OpenSnapshot(documents, {snapshot.source_id, snapshot.seq}, pinned.owner, key,
                             client.Fetcher());
  if (!opened.ok()) {
    return WithContext(opened.status(), fmt::format("unable to open snapshot '{}'", name));
  }
  return opened;
}

absl::StatusOr<NamedSnapshot> OpenReference(Context& context, OperatorClient& client,
                                            const std::string& reference) {
  NamedSnapshot named;
  ASSIGN_OR_RETURN(named.summary, ResolveSnapshot(client, reference, context.zone));
  ASSIGN_OR_RETURN(named.opened, OpenForReading(context, client, named.summary));
  return named;
}

absl::Status ReadContent(const SnapshotView& view, const Entry& entry,
                         absl::FunctionRef<absl::Status(ByteView)> consume) {
  switch (entry.type) {
    case EntryType::kFile:
      return entry.extents ? ReadSparse(view, entry, consume) : view.Read(entry, consume);
    case EntryType::kHardlink: {
      ASSIGN_OR_RETURN(const Entry target, view.Find(entry.link_target));
      if (target.type == EntryType::kFile) return ReadContent(view, target, consume);
      return Error(ErrorKind::kIntegrity, 1131,
                   fmt::format("unable to read '{}': it is a hard link to what is no file",
                               Escaped(entry.path)));
    }
    case EntryType::kSymlink:
      return Error(ErrorKind::kUsage, 1130,
                   fmt::format("unable to read '{}': it is a symbolic link to '{}'",
                               Escaped(entry.path), Escaped(entry.link_target)),
                   "Name the file it points to.");
    case EntryType::kDirectory:
      return Error(ErrorKind::kUsage, 1130,
                   fmt::format("unable to read '{}': it is a directory", Escaped(entry.path)),
                   "List it with 'holdfast ls'.");
    case EntryType::kFifo:
    case EntryType::kSocket:
    case EntryType::kCharacterDevice:
    case EntryType::kBlockDevice:
      break;
  }
  return Error(ErrorKind::kUsage, 1130,
               fmt::format("unable to read '{}': it is a special file without content",
                           Escaped(entry.path)));
}

absl::StatusOr<std::string> EntryPath(std::string_view text) {
  std::string_view path = text;
  while (path.substr(0, 2) == "./") path.remove_prefix(2);
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path == ".") path = {};
  if (!path.empty() && !ValidatePath(path).ok()) {
    return Error(
        ErrorKind::kUsage, 1133,
        fmt::format("unable to look for '{}': it is no path inside a snapshot", Escaped(text)),
        "Paths are relative to the source's root, without '..'.");
  }
  return std::string(path);
}

}  // namespace holdfast::cli
