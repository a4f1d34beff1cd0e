#include "controller/store/documents.h"

#include "common/base/error.h"
#include "common/format/layout.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

constexpr std::uint64_t kMaxDocumentBytes = 1ull << 30;  // reference list of 33 million chunks

}  // namespace

absl::Status Documents::Put(const Document& document) {
  std::lock_guard lock(mutex_);
  return PutLocked(document);
}

absl::Status Documents::PutPair(const Document& first, const Document& second) {
  std::lock_guard lock(mutex_);
  absl::Status there = Get(second.path).status();
  if (there.ok()) {
    // Compare the second first: with other bytes there nothing at all may be touched.
    RETURN_IF_ERROR(PutLocked(second));
    return PutLocked(first);
  }
  if (!absl::IsNotFound(there)) return there;
  RETURN_IF_ERROR(ReplaceLocked(first));
  return PutLocked(second);
}

absl::Status Documents::Replace(const Document& document) {
  std::lock_guard lock(mutex_);
  return ReplaceLocked(document);
}

absl::Status Documents::PutLocked(const Document& document) {
  const std::string path = JoinPath(files_->root, document.path);
  const auto there = files_->fs.ReadFile(path, kMaxDocumentBytes);
  if (absl::IsNotFound(there.status())) return ReplaceLocked(document);
  RETURN_IF_ERROR(there.status());
  if (*there != document.bytes) {
    return Error(
        ErrorKind::kConflict, 5014,
        fmt::format("unable to store '{}': other bytes are there already", Escaped(document.path)));
  }
  RETURN_IF_ERROR(files_->CheckWritable(0));
  return files_->AfterSync(SyncUpwards(ParentPath(path)));
}

absl::Status Documents::ReplaceLocked(const Document& document) {
  RETURN_IF_ERROR(files_->CheckWritable(document.bytes.size()));
  const std::string path = JoinPath(files_->root, document.path);
  const std::string directory = ParentPath(path);
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.MakeDirectories(directory)));
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.WriteAtomically(path, document.bytes)));
  return files_->AfterSync(SyncUpwards(ParentPath(directory)));
}

// `directory` and those above it, up to the root.
absl::Status Documents::SyncUpwards(const std::string& directory) {
  std::string at = directory;
  while (at.size() >= files_->root.size()) {
    RETURN_IF_ERROR(files_->fs.SyncDirectory(at));
    at = ParentPath(at);
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Documents::Get(const std::string& path) const {
  return files_->fs.ReadFile(JoinPath(files_->root, path), kMaxDocumentBytes);
}

absl::Status Documents::Remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  const std::string full = JoinPath(files_->root, path);
  const std::string directory = ParentPath(full);
  // Credentials that only add are no reason to refuse writes.
  if (files_->fs.IsObjectStore(full)) return files_->fs.Remove(full);
  if (files_->fs.Exists(full)) {
    RETURN_IF_ERROR(files_->AfterWrite(files_->fs.Remove(full)));
  } else if (!files_->fs.Exists(directory)) {
    return absl::OkStatus();
  }
  // Also what is gone already: an attempt that was killed, or whose sync failed, left it to come
  // back after a power cut.
  return files_->AfterSync(files_->fs.SyncDirectory(directory));
}

absl::Status Documents::RemoveTemporaries() {
  FileSystem& fs = files_->fs;
  if (fs.IsObjectStore(files_->root)) return absl::OkStatus();
  for (const char* area : {layout::kPacks, layout::kRecords, layout::kEnvelopes, layout::kDomains,
                           layout::kTrust, layout::kSettings}) {
    const std::string area_path = JoinPath(files_->root, area);
    std::vector<std::string> directories = {area_path};
    for (std::size_t i = 0; i < directories.size(); ++i) {
      const std::string directory = directories[i];
      ASSIGN_OR_RETURN(const auto entries, fs.List(directory));
      for (const DirectoryEntry& entry : entries) {
        const std::string path = JoinPath(directory, entry.name);
        if (entry.is_directory && i == 0) directories.push_back(path);
        if (!entry.is_directory && entry.name.ends_with(".tmp")) RETURN_IF_ERROR(fs.Remove(path));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace holdfast::store
