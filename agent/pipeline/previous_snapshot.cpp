#include "agent/pipeline/previous_snapshot.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/env/fail_point.h"
#include "common/format/checked_file.h"
#include "common/format/wire.h"

namespace holdfast::pipeline {
namespace {

constexpr ByteView kMagic{"HFLAST1\n", 8};
constexpr std::uint64_t kMaxStateBytes = 2ull << 30;

}  // namespace

void PreviousSnapshot::Clear() {
  head = {};
  references.clear();
  body_.clear();
  index_.clear();
  cursor_ = 0;
}

void PreviousSnapshot::Add(std::string_view path, ByteView encoded) {
  Writer writer;
  writer.Field(path);
  writer.Field(encoded);
  index_.push_back({body_.size() + sizeof(std::uint32_t), static_cast<std::uint32_t>(path.size()),
                    static_cast<std::uint32_t>(encoded.size())});
  body_.append(writer.bytes());
}

std::optional<Entry> PreviousSnapshot::Find(std::string_view path) const {
  // A walk in path order asks for the next entry, or for one a little later.
  std::size_t at = cursor_.load(std::memory_order_relaxed);
  for (int i = 0; i < 3 && at < index_.size(); ++i, ++at) {
    if (PathOf(index_[at]) == path) break;
    if (i == 2) at = index_.size();
  }
  if (at >= index_.size() || PathOf(index_[at]) != path) {
    const auto found = std::lower_bound(index_.begin(), index_.end(), path,
                                        [this](const Place& place, std::string_view wanted) {
                                          return ComparePaths(PathOf(place), wanted) < 0;
                                        });
    if (found == index_.end() || PathOf(*found) != path) return std::nullopt;
    at = static_cast<std::size_t>(found - index_.begin());
  }
  cursor_.store(at + 1, std::memory_order_relaxed);
  auto entry = DecodeEntry(EncodedOf(index_[at]));
  if (!entry.ok() || entry->path != path) return std::nullopt;
  return *std::move(entry);
}

bool PreviousSnapshot::Load(FileSystem& fs, const std::string& path) {
  Clear();
  if (auto body = ReadCheckedFile(fs, path, kMaxStateBytes)) {
    body_ = *std::move(body);
    if (Decode()) return true;
  }
  Clear();
  return false;
}

// What is not in order would not be found, or be taken for another difference.
bool PreviousSnapshot::Decode() {
  Reader reader(body_);
  reader.Magic(kMagic);
  head.seq = reader.U64();
  head.record_hash = reader.Id<Hash256>();
  const std::uint64_t reference_count = reader.U64();
  if (!reader.ok() || reference_count > reader.remaining() / ChunkId::kSize) return false;
  references.reserve(reference_count);
  for (std::uint64_t i = 0; i < reference_count; ++i) references.push_back(reader.Id<ChunkId>());
  const auto is_not_before = [](const auto& a, const auto& b) { return !(a < b); };
  if (std::adjacent_find(references.begin(), references.end(), is_not_before) != references.end()) {
    return false;
  }
  const std::uint64_t entries = reader.U64();
  for (std::uint64_t i = 0; i < entries && reader.ok(); ++i) {
    const ByteView entry_path = reader.Field();
    const ByteView encoded = reader.Field();
    if (!reader.ok()) return false;
    if (!index_.empty() && ComparePaths(PathOf(index_.back()), entry_path) >= 0) return false;
    index_.push_back({static_cast<std::uint64_t>(entry_path.data() - body_.data()),
                      static_cast<std::uint32_t>(entry_path.size()),
                      static_cast<std::uint32_t>(encoded.size())});
  }
  return reader.AtEnd();
}

absl::Status SaveSnapshotState(FileSystem& fs, const std::string& path, const Head& head,
                               const std::vector<ChunkId>& references,
                               const std::vector<EncodedEntry>& entries) {
  HOLDFAST_FAIL_POINT("agent.state");
  std::size_t bytes = kMagic.size() + 3 * sizeof(std::uint64_t) + 2 * Hash256::kSize +
                      references.size() * ChunkId::kSize;
  for (const EncodedEntry& entry : entries) {
    bytes += 2 * sizeof(std::uint32_t) + entry.path.size() + entry.bytes.size();
  }
  Writer writer;
  writer.Reserve(bytes);
  writer.Raw(kMagic);
  writer.U64(head.seq);
  writer.Raw(head.record_hash.view());
  writer.U64(references.size());
  for (const ChunkId& id : references) writer.Raw(id.view());
  writer.U64(entries.size());
  for (const EncodedEntry& entry : entries) {
    writer.Field(entry.path);
    writer.Field(entry.bytes);
  }
  return WriteCheckedFile(fs, path, writer.Take());
}

}  // namespace holdfast::pipeline
