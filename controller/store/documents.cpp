#include "controller/store/documents.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

constexpr std::uint64_t kMaxDocumentBytes = 1ull << 30;  // reference list of 33 million chunks
constexpr std::uint64_t kComparedBytes = 1u << 20;

absl::StatusOr<bool> HasContent(const File& file, const StagedDocument& content) {
  ASSIGN_OR_RETURN(const std::uint64_t size, file.Size());
  if (size != content.size_bytes()) return false;
  for (std::uint64_t at = 0; at < size; at += kComparedBytes) {
    const std::size_t piece = std::min(kComparedBytes, size - at);
    ASSIGN_OR_RETURN(const Bytes there, file.ReadAt(at, piece));
    ASSIGN_OR_RETURN(const Bytes staged, content.ReadAt(at, piece));
    if (there != staged) return false;
  }
  return true;
}

}  // namespace

absl::Status Documents::Put(const Document& document) {
  std::lock_guard lock(mutex_);
  return PutLocked(document);
}

absl::Status Documents::PutPair(const Document& first, const Document& second) {
  return PutBoth(first, second);
}

absl::Status Documents::PutPair(const LargeDocument& first, const Document& second) {
  return PutBoth(first, second);
}

template <typename First>
absl::Status Documents::PutBoth(const First& first, const Document& second) {
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
  return Keep(document.path, *there == document.bytes);
}

absl::Status Documents::PutLocked(const LargeDocument& document) {
  const auto there = files_->fs.OpenRead(JoinPath(files_->root, document.path));
  if (absl::IsNotFound(there.status())) return ReplaceLocked(document);
  RETURN_IF_ERROR(there.status());
  ASSIGN_OR_RETURN(const bool same, HasContent(**there, document.content));
  return Keep(document.path, same);
}

absl::Status Documents::Keep(const std::string& path, bool same) {
  if (!same) {
    return Error(ErrorKind::kConflict, 5014,
                 fmt::format("unable to store '{}': other bytes are there already", Escaped(path)));
  }
  RETURN_IF_ERROR(files_->CheckWritable(0));
  return files_->AfterSync(SyncUpwards(ParentPath(JoinPath(files_->root, path))));
}

absl::Status Documents::ReplaceLocked(const Document& document) {
  RETURN_IF_ERROR(files_->CheckWritable(document.bytes.size()));
  const std::string path = JoinPath(files_->root, document.path);
  const std::string directory = ParentPath(path);
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.MakeDirectories(directory)));
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.WriteAtomically(path, document.bytes)));
  return files_->AfterSync(SyncUpwards(ParentPath(directory)));
}

absl::Status Documents::ReplaceLocked(const LargeDocument& document) {
  RETURN_IF_ERROR(files_->CheckWritable(0));
  const std::string path = JoinPath(files_->root, document.path);
  const std::string directory = ParentPath(path);
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.MakeDirectories(directory)));
  // A bucket replaces it itself, and may have been given a key that removes nothing.
  if (!files_->fs.IsObjectStore(path) && files_->fs.Exists(path)) {
    RETURN_IF_ERROR(files_->AfterWrite(files_->fs.Remove(path)));
  }
  RETURN_IF_ERROR(document.content.MoveTo(path));
  return files_->AfterSync(SyncUpwards(directory));
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
