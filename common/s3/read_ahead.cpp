#include "common/s3/read_ahead.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::s3 {

void ReadAhead::DropOldLocked() {
  const absl::Duration now = clock_.Monotonic();
  recent_.remove_if([&](const Kept& extent) {
    const bool old = now - extent->read_at > kKept;
    if (old) kept_bytes_ -= extent->part.bytes.size();
    return old;
  });
}

void ReadAhead::KeepLocked(Kept extent) {
  kept_bytes_ += extent->part.bytes.size();
  recent_.push_front(std::move(extent));
  while (kept_bytes_ > kMaxKeptBytes) {
    kept_bytes_ -= recent_.back()->part.bytes.size();
    recent_.pop_back();
  }
}

// An extent that holds the byte at `offset`, or an empty one when the object ends before it.
absl::StatusOr<ReadAhead::Kept> ReadAhead::Get(const std::string& key, std::uint64_t offset,
                                               std::size_t size) {
  bool in_order = false;
  {
    std::lock_guard lock(mutex_);
    DropOldLocked();
    for (auto each = recent_.begin(); each != recent_.end(); ++each) {
      const Extent& extent = **each;
      if (extent.key != key) continue;
      if (extent.offset <= offset && offset < extent.end()) {
        recent_.splice(recent_.begin(), recent_, each);
        return recent_.front();
      }
      if (extent.end() == offset && !extent.part.bytes.empty()) in_order = true;
    }
  }
  auto extent = std::make_shared<Extent>();
  extent->key = key;
  extent->offset = offset;
  extent->read_at = clock_.Monotonic();
  ASSIGN_OR_RETURN(
      extent->part,
      client_.GetPart(key, offset, std::max(size, in_order ? kInOrderBytes : kLeastBytes)));
  std::lock_guard lock(mutex_);
  KeepLocked(extent);
  return extent;
}

absl::StatusOr<Bytes> ReadAhead::Read(const std::string& key, std::uint64_t offset,
                                      std::size_t size) {
  Bytes bytes;
  bytes.reserve(size);
  while (bytes.size() < size) {
    const std::uint64_t at = offset + bytes.size();
    ASSIGN_OR_RETURN(const Kept extent, Get(key, at, size - bytes.size()));
    if (extent->part.bytes.empty()) {
      return Error(ErrorKind::kIntegrity, 5103,
                   fmt::format("unable to read '{}': {} bytes at {} were asked for, the object has "
                               "{}",
                               Escaped(key), size, offset, extent->part.object_bytes));
    }
    bytes.append(ByteView(extent->part.bytes).substr(at - extent->offset, size - bytes.size()));
  }
  return bytes;
}

absl::StatusOr<std::uint64_t> ReadAhead::Size(const std::string& key) {
  {
    std::lock_guard lock(mutex_);
    DropOldLocked();
    const auto known = std::find_if(recent_.begin(), recent_.end(),
                                    [&](const Kept& extent) { return extent->key == key; });
    if (known != recent_.end()) return (*known)->part.object_bytes;
  }
  auto extent = std::make_shared<Extent>();
  extent->key = key;
  extent->read_at = clock_.Monotonic();
  ASSIGN_OR_RETURN(const ObjectFacts facts, client_.Stat(key));
  extent->part.object_bytes = facts.size_bytes;
  std::lock_guard lock(mutex_);
  KeepLocked(extent);
  return facts.size_bytes;
}

void ReadAhead::Forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  recent_.remove_if([&](const Kept& extent) {
    if (extent->key != key) return false;
    kept_bytes_ -= extent->part.bytes.size();
    return true;
  });
}

}  // namespace holdfast::s3
