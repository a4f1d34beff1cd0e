#include "common/format/reference_list.h"

#include <algorithm>
#include <optional>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFREFS1\n", 8};
constexpr std::uint64_t kHeadBytes = 8 + 1 + 3 * 8;
constexpr std::uint64_t kPieceIds = 2048;  // 64 KiB

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4040, fmt::format("unable to read reference list: {}", what));
}

}  // namespace

Bytes EncodeReferenceList(const ReferenceList& list) {
  Writer writer;
  writer.Raw(kMagic);
  writer.U8(list.full ? 0 : 1);
  writer.U64(list.base_seq);
  writer.U64(list.added.size());
  writer.U64(list.removed.size());
  for (const ChunkId& id : list.added) writer.Raw(id.view());
  for (const ChunkId& id : list.removed) writer.Raw(id.view());
  return writer.Take();
}

// Ids one after the other, of which a piece is held.
class ReferenceListReader::Cursor {
 public:
  Cursor(const ReadAt& read_at, std::uint64_t begin, std::uint64_t count)
      : read_at_(read_at), offset_(begin), left_(count) {}

  // Nothing: at the end. Fails at one that is not larger than the one before.
  absl::StatusOr<std::optional<ChunkId>> Next() {
    if (at_ == piece_.size()) {
      const std::uint64_t ids = std::min(left_, kPieceIds);
      if (ids == 0) return std::nullopt;
      ASSIGN_OR_RETURN(piece_, read_at_(offset_, ids * ChunkId::kSize));
      offset_ += piece_.size();
      left_ -= ids;
      at_ = 0;
    }
    const ChunkId id = *ChunkId::From(ByteView(piece_).substr(at_, ChunkId::kSize));
    at_ += ChunkId::kSize;
    if (before_ && !(*before_ < id)) return Damaged("ids are not sorted");
    before_ = id;
    return before_;
  }

  absl::Status ForEach(Visit visit) {
    for (;;) {
      ASSIGN_OR_RETURN(const std::optional<ChunkId> id, Next());
      if (!id) return absl::OkStatus();
      RETURN_IF_ERROR(visit(*id));
    }
  }

 private:
  const ReadAt& read_at_;
  std::uint64_t offset_;
  std::uint64_t left_;  // not read yet
  Bytes piece_;
  std::size_t at_ = 0;
  std::optional<ChunkId> before_;
};

absl::StatusOr<ReferenceListReader> ReferenceListReader::Open(std::uint64_t size_bytes,
                                                              ReadAt read_at) {
  ReferenceListReader reader(std::move(read_at));
  RETURN_IF_ERROR(reader.ReadHead(size_bytes));
  RETURN_IF_ERROR(reader.Check());
  return reader;
}

absl::Status ReferenceListReader::ReadHead(std::uint64_t size_bytes) {
  const absl::StatusOr<Bytes> head = read_at_(0, std::min(size_bytes, kHeadBytes));
  RETURN_IF_ERROR(head.status());
  Reader reader(*head);
  if (!reader.Magic(kMagic)) return Damaged("it does not begin with 'HFREFS1'");
  const std::uint8_t kind = reader.U8();
  full_ = kind == 0;
  base_seq_ = reader.U64();
  added_ = reader.U64();
  removed_ = reader.U64();
  if (!reader.ok() || kind > 1) return Damaged("its head is cut or unknown");
  const std::uint64_t body = size_bytes - kHeadBytes;
  const std::uint64_t room = body / ChunkId::kSize;
  if (added_ > room || removed_ > room || (added_ + removed_) * ChunkId::kSize != body) {
    return Damaged("its counts do not fit its length");
  }
  if (full_ && (removed_ != 0 || base_seq_ != 0)) return Damaged("a full list removes nothing");
  return absl::OkStatus();
}

absl::Status ReferenceListReader::Check() const {
  Cursor added = Added();
  Cursor removed = Removed();
  ASSIGN_OR_RETURN(std::optional<ChunkId> a, added.Next());
  ASSIGN_OR_RETURN(std::optional<ChunkId> r, removed.Next());
  while (a || r) {
    if (a == r) return Damaged("an id is added and removed");
    if (a && (!r || *a < *r)) {
      ASSIGN_OR_RETURN(a, added.Next());
    } else {
      ASSIGN_OR_RETURN(r, removed.Next());
    }
  }
  return absl::OkStatus();
}

ReferenceListReader::Cursor ReferenceListReader::Added() const {
  return Cursor(read_at_, kHeadBytes, added_);
}

ReferenceListReader::Cursor ReferenceListReader::Removed() const {
  return Cursor(read_at_, kHeadBytes + added_ * ChunkId::kSize, removed_);
}

absl::Status ReferenceListReader::ForEachAdded(Visit visit) const { return Added().ForEach(visit); }

absl::Status ReferenceListReader::ForEachRemoved(Visit visit) const {
  return Removed().ForEach(visit);
}

absl::StatusOr<ReferenceList> DecodeReferenceList(ByteView bytes) {
  ASSIGN_OR_RETURN(
      const ReferenceListReader reader,
      ReferenceListReader::Open(bytes.size(), [bytes](std::uint64_t offset, std::size_t size) {
        return absl::StatusOr<Bytes>(bytes.substr(offset, size));
      }));
  ReferenceList list;
  list.full = reader.full();
  list.base_seq = reader.base_seq();
  list.added.reserve(reader.added_count());
  list.removed.reserve(reader.removed_count());
  RETURN_IF_ERROR(reader.ForEachAdded([&](const ChunkId& id) {
    list.added.push_back(id);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(reader.ForEachRemoved([&](const ChunkId& id) {
    list.removed.push_back(id);
    return absl::OkStatus();
  }));
  return list;
}

}  // namespace holdfast
