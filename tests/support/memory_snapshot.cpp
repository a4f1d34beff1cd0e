#include "tests/support/memory_snapshot.h"

#include <xxhash.h>

#include "common/base/error.h"

namespace holdfast::test {
namespace {

Bytes HashOf(ByteView bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return Bytes(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
}

}  // namespace

class MemorySnapshot::Lane final : public source::ContentLane {
 public:
  explicit Lane(MemorySnapshot& owner) : owner_(owner) {}

  absl::Status Begin() override {
    HOLDFAST_CHECK(!open_);
    open_ = true;
    content_.clear();
    return absl::OkStatus();
  }
  absl::Status Write(ByteView bytes) override {
    HOLDFAST_CHECK(open_);
    content_.append(bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) override {
    HOLDFAST_CHECK(open_);
    window_.resize(std::min<std::size_t>(std::max<std::size_t>(wanted, 1), 64 * 1024));
    return std::span<char>(window_.data(), window_.size());
  }
  absl::Status Commit(std::size_t written) override {
    HOLDFAST_CHECK(open_ && written <= window_.size());
    content_.append(window_, 0, written);
    return absl::OkStatus();
  }
  absl::Status End(Entry entry) override {
    HOLDFAST_CHECK(open_);
    open_ = false;
    return owner_.AddWithContent(std::move(entry), std::move(content_));
  }
  absl::Status Abandon() override {
    HOLDFAST_CHECK(open_);
    open_ = false;
    return absl::OkStatus();
  }
  absl::Status Cut() override {
    HOLDFAST_CHECK(!open_);
    return absl::OkStatus();
  }

 private:
  MemorySnapshot& owner_;
  bool open_ = false;
  Bytes content_;
  Bytes window_;
};

std::unique_ptr<source::ContentLane> MemorySnapshot::OpenLane() {
  return std::make_unique<Lane>(*this);
}

absl::Status MemorySnapshot::AddWithContent(Entry entry, Bytes content) {
  std::lock_guard lock(mutex_);
  read_bytes_ += content.size();
  entry.content_bytes = content.size();
  entry.content_hash = HashOf(content);
  if (!content.empty()) {
    Slice slice;
    std::memcpy(slice.chunk.data(), entry.content_hash.data(), entry.content_hash.size());
    slice.length_bytes = static_cast<std::uint32_t>(content.size());
    entry.slices = {slice};
  }
  if (!entry.extents) entry.size_bytes = content.size();
  RETURN_IF_ERROR(ValidatePath(entry.path));
  const std::string path = entry.path;
  if (!entries_.emplace(path, std::move(entry)).second) {
    return Error(ErrorKind::kFailed, 2099, "path added twice: " + Escaped(path));
  }
  contents_[path] = std::move(content);
  return absl::OkStatus();
}

absl::Status MemorySnapshot::Add(Entry entry) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(ValidatePath(entry.path));
  const std::string path = entry.path;
  if (!entries_.emplace(path, std::move(entry)).second) {
    return Error(ErrorKind::kFailed, 2099, "path added twice: " + Escaped(path));
  }
  return absl::OkStatus();
}

std::optional<Entry> MemorySnapshot::Previous(std::string_view path) {
  if (previous_ == nullptr) return std::nullopt;
  const auto found = previous_->entries_.find(std::string(path));
  if (found == previous_->entries_.end()) return std::nullopt;
  return found->second;
}

absl::Status MemorySnapshot::Reuse(Entry entry, const Entry& previous) {
  HOLDFAST_CHECK(previous_ != nullptr);
  std::lock_guard lock(mutex_);
  ++reused_count_;
  entry.slices = previous.slices;
  entry.content_bytes = previous.content_bytes;
  entry.content_hash = previous.content_hash;
  entry.extents = previous.extents;
  entry.size_bytes = previous.size_bytes;
  contents_[entry.path] = previous_->ContentOf(previous.path);
  const std::string path = entry.path;
  if (!entries_.emplace(path, std::move(entry)).second) {
    return Error(ErrorKind::kFailed, 2099, "path added twice: " + Escaped(path));
  }
  return absl::OkStatus();
}

void MemorySnapshot::Skip(std::string path, std::string reason) {
  std::lock_guard lock(mutex_);
  info_.partial = true;
  info_.problems.push_back({std::move(path), std::move(reason)});
}

void MemorySnapshot::ExpectTotal(std::uint64_t, std::uint64_t) {}
void MemorySnapshot::Progressed(std::uint64_t, std::uint64_t) {}

absl::Status MemorySnapshot::ForEachEntry(
    absl::FunctionRef<absl::Status(const Entry&)> visit) const {
  for (const auto& [path, entry] : entries_) RETURN_IF_ERROR(visit(entry));
  return absl::OkStatus();
}

absl::StatusOr<Entry> MemorySnapshot::Find(std::string_view path) const {
  const auto found = entries_.find(std::string(path));
  if (found != entries_.end()) return found->second;
  return Error(ErrorKind::kNotFound, 3004, "no entry '" + Escaped(path) + "'");
}

absl::Status MemorySnapshot::Read(const Entry& entry,
                                  absl::FunctionRef<absl::Status(ByteView)> consume) const {
  const Bytes content = ContentOf(entry.path);
  const bool failing = failing_.count(entry.path) > 0;
  const std::size_t end = failing ? content.size() / 2 : content.size();
  for (std::size_t offset = 0; offset < end; offset += 100'000) {
    RETURN_IF_ERROR(
        consume(ByteView(content).substr(offset, std::min<std::size_t>(100'000, end - offset))));
  }
  if (failing) return Error(ErrorKind::kIntegrity, 4002, "unable to open chunk: injected damage");
  return absl::OkStatus();
}

void MemorySnapshot::Finish(const source::SourceResult& result, std::string kind) {
  info_.kind = std::move(kind);
  info_.source_name = "test";
  info_.seq = 1;
  info_.position = result.position;
  info_.attributes = result.attributes;
  info_.notes = result.notes;
  info_.entry_count = entries_.size();
  info_.content_bytes = 0;
  for (const auto& [path, entry] : entries_) info_.content_bytes += entry.content_bytes;
}

Bytes MemorySnapshot::ContentOf(const std::string& path) const {
  std::lock_guard lock(mutex_);
  const auto found = contents_.find(path);
  return found == contents_.end() ? Bytes() : found->second;
}

void MemorySnapshot::SetContent(const std::string& path, Bytes content) {
  std::lock_guard lock(mutex_);
  contents_[path] = std::move(content);
}

}  // namespace holdfast::test
