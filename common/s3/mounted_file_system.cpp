#include "common/s3/mounted_file_system.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr std::uint64_t kBoundless = 1ull << 62;

absl::Status CannotDo(std::string_view verb, const std::string& path) {
  return Error(
      ErrorKind::kFailed, 5109,
      fmt::format("unable to {} '{}': a bucket has no such operation", verb, Escaped(path)));
}

class ObjectFile final : public File {
 public:
  ObjectFile(ReadAhead& cache, std::string key) : cache_(cache), key_(std::move(key)) {}

  absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const override {
    return cache_.Read(key_, offset, size);
  }
  absl::StatusOr<std::uint64_t> Size() const override { return cache_.Size(key_); }
  absl::Status Append(ByteView) override { return CannotDo("append to", key_); }
  absl::Status Truncate(std::uint64_t) override { return CannotDo("cut", key_); }
  absl::Status Sync() override { return CannotDo("sync", key_); }

 private:
  ReadAhead& cache_;
  const std::string key_;
};

}  // namespace

std::optional<std::string> MountedFileSystem::KeyOf(const std::string& path) const {
  if (path == mount_) return "";
  if (path.size() > mount_.size() && path.starts_with(mount_) && path[mount_.size()] == '/') {
    return path.substr(mount_.size() + 1);
  }
  return std::nullopt;
}

absl::Status MountedFileSystem::CheckClaim() {
  if (claim_) return claim_->Check();
  return Error(ErrorKind::kFailed, 5109,
               fmt::format("unable to write to {}: it is open for reading", client_.place()));
}

bool MountedFileSystem::IsObjectStore(const std::string& path) const {
  return KeyOf(path).has_value();
}

absl::StatusOr<std::unique_ptr<File>> MountedFileSystem::OpenRead(const std::string& path) {
  const auto key = KeyOf(path);
  if (!key) return disk_.OpenRead(path);
  RETURN_IF_ERROR(cache_.Size(*key).status());  // is it there?
  return std::make_unique<ObjectFile>(cache_, *key);
}

absl::StatusOr<std::unique_ptr<File>> MountedFileSystem::Create(const std::string& path) {
  if (!KeyOf(path)) return disk_.Create(path);
  return CannotDo("create", path);
}

absl::StatusOr<std::unique_ptr<File>> MountedFileSystem::OpenAppend(const std::string& path) {
  if (!KeyOf(path)) return disk_.OpenAppend(path);
  return CannotDo("append to", path);
}

absl::Status MountedFileSystem::Rename(const std::string& from, const std::string& to) {
  const auto key = KeyOf(to);
  if (KeyOf(from)) return CannotDo("rename", from);
  if (!key) return disk_.Rename(from, to);
  RETURN_IF_ERROR(CheckClaim());
  ASSIGN_OR_RETURN(const auto file, disk_.OpenRead(from));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
  cache_.Forget(*key);
  const Payload payload{{}, file.get(), size};
  const auto written = client_.PutIfAbsent(*key, payload);
  if (KindOf(written.status()) == ErrorKind::kConflict && !written.ok()) {
    // Names say what they hold: one that is there and differs is damaged.
    RETURN_IF_ERROR(client_.Put(*key, payload));
  } else {
    RETURN_IF_ERROR(written.status());
  }
  return disk_.Remove(from);
}

absl::Status MountedFileSystem::Remove(const std::string& path) {
  const auto key = KeyOf(path);
  if (!key) return disk_.Remove(path);
  RETURN_IF_ERROR(CheckClaim());
  cache_.Forget(*key);
  return client_.Delete(*key);
}

absl::Status MountedFileSystem::MakeDirectories(const std::string& path) {
  return KeyOf(path) ? absl::OkStatus() : disk_.MakeDirectories(path);
}

absl::Status MountedFileSystem::SyncDirectory(const std::string& path) {
  return KeyOf(path) ? absl::OkStatus() : disk_.SyncDirectory(path);
}

absl::StatusOr<std::vector<DirectoryEntry>> MountedFileSystem::List(const std::string& path) {
  const auto key = KeyOf(path);
  if (!key) return disk_.List(path);
  ASSIGN_OR_RETURN(const Listing listing, client_.List(key->empty() ? "" : *key + "/"));
  std::vector<DirectoryEntry> entries;
  for (const ListedObject& object : listing.objects) entries.push_back({object.key, false});
  for (const std::string& prefix : listing.prefixes) {
    entries.push_back({prefix.substr(0, prefix.size() - 1), true});
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

bool MountedFileSystem::Exists(const std::string& path) {
  const auto key = KeyOf(path);
  if (!key) return disk_.Exists(path);
  const absl::Status object = key->empty() ? absl::NotFoundError("") : client_.Stat(*key).status();
  if (!absl::IsNotFound(object)) return object.ok();
  const auto below = List(path);
  return below.ok() && !below->empty();
}

absl::StatusOr<std::uint64_t> MountedFileSystem::FreeBytes(const std::string& path) {
  if (!KeyOf(path)) return disk_.FreeBytes(path);
  return kBoundless;
}

absl::StatusOr<Bytes> MountedFileSystem::ReadFile(const std::string& path,
                                                  std::uint64_t limit_bytes) {
  const auto key = KeyOf(path);
  if (!key) return disk_.ReadFile(path, limit_bytes);
  return client_.Get(*key, limit_bytes);
}

absl::Status MountedFileSystem::WriteAtomically(const std::string& path, ByteView bytes,
                                                unsigned mode) {
  const auto key = KeyOf(path);
  if (!key) return disk_.WriteAtomically(path, bytes, mode);
  RETURN_IF_ERROR(CheckClaim());
  cache_.Forget(*key);
  return client_.Put(*key, {bytes, nullptr, bytes.size()});
}

absl::StatusOr<Bytes> MountedFileSystem::ReadSecret(const std::string& path) {
  if (!KeyOf(path)) return disk_.ReadSecret(path);
  return CannotDo("read a secret from", path);
}

}  // namespace holdfast::s3
