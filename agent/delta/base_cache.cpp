#include "agent/delta/base_cache.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/checked_file.h"
#include "common/format/object.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast::delta {
namespace {

constexpr ByteView kIndexMagic{"HFBASE1\n", 8};
constexpr std::size_t kKeyBytes = 32;
constexpr std::uint64_t kFreeShare = 4;
constexpr std::uint64_t kSegmentBytes = 64u << 20;
constexpr std::uint64_t kMaxSegmentBytes = kSegmentBytes + kMaxObjectBytes;
constexpr std::uint64_t kMaxIndexBytes = 1ull << 30;
constexpr std::string_view kSegmentEnding = ".bases";

KeyId IdOf(const SecretBytes& key) {
  const Hash256 hash = Sha256(Bytes("holdfast base cache") + Bytes(key.view()));
  return *KeyId::From(hash.view().substr(0, KeyId::kSize));
}

}  // namespace

BaseCache::BaseCache(Options options) : options_(std::move(options)) {
  FileSystem& fs = options_.env.fs;
  if (options_.limit_bytes == 0 && !fs.Exists(options_.directory)) return;
  if (!fs.MakeDirectories(options_.directory).ok() || !LoadKey()) return;
  if (options_.limit_bytes == 0 || !LoadIndex()) {
    segments_.clear();
    places_.clear();
    total_bytes_ = 0;
  }
  RemoveStrangers();
  limit_bytes_ = options_.limit_bytes;
  if (const auto free = fs.FreeBytes(options_.directory); free.ok()) {
    limit_bytes_ = std::min(limit_bytes_, total_bytes_ + *free / kFreeShare);
  }
  usable_ = limit_bytes_ > 0;
}

std::string BaseCache::SegmentPath(std::uint64_t number) const {
  return JoinPath(options_.directory, fmt::format("{:08}{}", number, kSegmentEnding));
}

bool BaseCache::LoadKey() {
  FileSystem& fs = options_.env.fs;
  const std::string path = JoinPath(options_.directory, "key");
  if (fs.Exists(path)) {
    auto kept = fs.ReadSecret(path);
    if (kept.ok() && kept->size() == kKeyBytes) {
      key_ = SecretBytes::Take(*std::move(kept));
      key_id_ = IdOf(key_);
      return true;
    }
  }
  // A new key: what was sealed with another one is told apart by the key's id in the index.
  key_ = SecretBytes::Take(options_.env.rng.Draw(kKeyBytes));
  key_id_ = IdOf(key_);
  return fs.WriteAtomically(path, key_.view(), 0600).ok();
}

bool BaseCache::LoadIndex() {
  FileSystem& fs = options_.env.fs;
  const std::string path = JoinPath(options_.directory, "index");
  const auto body = ReadCheckedFile(fs, path, kMaxIndexBytes);
  if (!body) return false;
  Reader reader(*body);
  reader.Magic(kIndexMagic);
  if (reader.Id<KeyId>() != key_id_) return false;
  next_segment_ = reader.U64();
  const std::uint64_t segments = reader.U64();
  for (std::uint64_t i = 0; i < segments && reader.ok(); ++i) {
    const std::uint64_t number = reader.U64();
    const std::uint64_t size = reader.U64();
    if (!fs.Exists(SegmentPath(number))) continue;
    if (segments_.contains(number) || size > kMaxSegmentBytes) return false;
    segments_[number].bytes = size;
    total_bytes_ += size;
  }
  while (reader.ok() && reader.remaining() > 0) {
    const ChunkId id = reader.Id<ChunkId>();
    Place place;
    place.segment = reader.U64();
    place.offset = reader.U64();
    place.bytes = reader.U32();
    const auto segment = segments_.find(place.segment);
    if (!reader.ok() || segment == segments_.end()) continue;
    const std::uint64_t end = segment->second.bytes;
    if (place.bytes > kMaxObjectBytes || place.offset > end || place.bytes > end - place.offset) {
      return false;
    }
    places_[id] = place;
  }
  return reader.ok();
}

// Segments that the index does not know: of a run that failed, or of a cache that was given up.
void BaseCache::RemoveStrangers() {
  FileSystem& fs = options_.env.fs;
  const auto files = fs.List(options_.directory);
  if (!files.ok()) return;
  for (const DirectoryEntry& file : *files) {
    if (!file.name.ends_with(kSegmentEnding)) continue;
    std::uint64_t number = 0;
    const std::string digits = file.name.substr(0, file.name.size() - kSegmentEnding.size());
    const bool known = absl::SimpleAtoi(digits, &number) && segments_.contains(number);
    if (!known) fs.Remove(JoinPath(options_.directory, file.name)).IgnoreError();
    next_segment_ = std::max(next_segment_, number + 1);
  }
}

bool BaseCache::WantsMore() const {
  std::lock_guard lock(mutex_);
  return usable_ && total_bytes_ < limit_bytes_;
}

void BaseCache::Keep(const ChunkId& id, ByteView object) {
  std::lock_guard lock(mutex_);
  if (!usable_ || places_.contains(id)) return;
  if (total_bytes_ + object.size() > limit_bytes_) return;
  Append(id, object);
}

void BaseCache::Append(const ChunkId& id, ByteView object) {
  if (writing_ && segments_[*writing_].bytes >= kSegmentBytes) writing_.reset();
  if (!writing_) {
    auto file = options_.env.fs.Create(SegmentPath(next_segment_));
    if (!file.ok()) {
      usable_ = false;
      return;
    }
    writing_ = next_segment_++;
    segments_[*writing_].file = *std::move(file);
  }
  Segment& segment = segments_[*writing_];
  if (!segment.file->Append(object).ok()) {
    // A full disk, most likely: the rest of the run keeps nothing more. The torn end is behind
    // every place that is known.
    usable_ = false;
    return;
  }
  places_[id] = {*writing_, segment.bytes, static_cast<std::uint32_t>(object.size())};
  segment.bytes += object.size();
  total_bytes_ += object.size();
}

std::optional<Bytes> BaseCache::Read(const ChunkId& id) {
  std::lock_guard lock(mutex_);
  const auto found = places_.find(id);
  if (found == places_.end()) return std::nullopt;
  std::optional<Bytes> object = ReadPlace(found->second);
  if (!object) places_.erase(found);
  return object;
}

std::optional<Bytes> BaseCache::ReadPlace(const Place& place) {
  Segment& segment = segments_[place.segment];
  if (!segment.file) {
    auto file = options_.env.fs.OpenRead(SegmentPath(place.segment));
    if (!file.ok()) return std::nullopt;
    segment.file = *std::move(file);
  }
  auto object = segment.file->ReadAt(place.offset, place.bytes);
  if (!object.ok()) return std::nullopt;
  return *std::move(object);
}

void BaseCache::Drop(const ChunkId& id) {
  std::lock_guard lock(mutex_);
  places_.erase(id);
}

void BaseCache::Settle(const absl::flat_hash_set<ChunkId>& live) {
  std::lock_guard lock(mutex_);
  if (key_.size() == 0) return;  // there is no directory
  std::map<std::uint64_t, std::uint64_t> live_bytes;
  for (auto place = places_.begin(); place != places_.end();) {
    if (live.contains(place->first)) {
      live_bytes[place->second.segment] += place->second.bytes;
      ++place;
    } else {
      places_.erase(place++);
    }
  }
  MakeRoom(live_bytes);
  // An index that was not written leaves the old one, whose segments may be gone: then those
  // places do not read, and that is all.
  if (!SaveIndex().ok()) usable_ = false;
}

// Segments that are dead for the greater part are written anew; above the limit the oldest go.
void BaseCache::MakeRoom(const std::map<std::uint64_t, std::uint64_t>& live_bytes) {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, segment] : segments_) numbers.push_back(number);
  for (const std::uint64_t number : numbers) {
    const auto found = live_bytes.find(number);
    const std::uint64_t alive = found == live_bytes.end() ? 0 : found->second;
    if (alive * 2 >= segments_[number].bytes && alive > 0) continue;
    std::vector<std::pair<ChunkId, Place>> moved;
    for (const auto& [id, place] : places_) {
      if (place.segment == number) moved.emplace_back(id, place);
    }
    if (writing_ == number) writing_.reset();
    for (const auto& [id, place] : moved) {
      const std::optional<Bytes> object = ReadPlace(place);
      places_.erase(id);
      if (object && usable_) Append(id, *object);
    }
    RemoveSegment(number);
  }
  while (total_bytes_ > limit_bytes_ && !segments_.empty()) {
    RemoveSegment(segments_.begin()->first);
  }
}

void BaseCache::RemoveSegment(std::uint64_t number) {
  for (auto place = places_.begin(); place != places_.end();) {
    if (place->second.segment == number) {
      places_.erase(place++);
    } else {
      ++place;
    }
  }
  if (writing_ == number) writing_.reset();
  total_bytes_ -= segments_[number].bytes;
  segments_.erase(number);
  options_.env.fs.Remove(SegmentPath(number)).IgnoreError();
}

absl::Status BaseCache::SaveIndex() {
  Writer writer;
  writer.Raw(kIndexMagic);
  writer.Raw(key_id_.view());
  writer.U64(next_segment_);
  writer.U64(segments_.size());
  for (const auto& [number, segment] : segments_) {
    writer.U64(number);
    writer.U64(segment.bytes);
  }
  for (const auto& [id, place] : places_) {
    writer.Raw(id.view());
    writer.U64(place.segment);
    writer.U64(place.offset);
    writer.U32(place.bytes);
  }
  return WriteCheckedFile(options_.env.fs, JoinPath(options_.directory, "index"), writer.Take());
}

std::uint64_t BaseCache::stored_bytes() const {
  std::lock_guard lock(mutex_);
  return total_bytes_;
}

std::size_t BaseCache::size() const {
  std::lock_guard lock(mutex_);
  return places_.size();
}

}  // namespace holdfast::delta
