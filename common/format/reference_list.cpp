#include "common/format/reference_list.h"

#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFREFS1\n", 8};

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4040, fmt::format("unable to read reference list: {}", what));
}

absl::Status ReadIds(Reader& reader, std::uint64_t count, std::vector<ChunkId>* ids) {
  ids->reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const ChunkId id = reader.Id<ChunkId>();
    if (!ids->empty() && !(ids->back() < id)) return Damaged("ids are not sorted");
    ids->push_back(id);
  }
  return absl::OkStatus();
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

absl::StatusOr<ReferenceList> DecodeReferenceList(ByteView bytes) {
  Reader reader(bytes);
  if (!reader.Magic(kMagic)) return Damaged("it does not begin with 'HFREFS1'");
  ReferenceList list;
  const std::uint8_t kind = reader.U8();
  list.full = kind == 0;
  list.base_seq = reader.U64();
  const std::uint64_t added = reader.U64();
  const std::uint64_t removed = reader.U64();
  if (!reader.ok() || kind > 1) return Damaged("its head is cut or unknown");
  const std::uint64_t room = reader.remaining() / ChunkId::kSize;
  if (added > room || removed > room || (added + removed) * ChunkId::kSize != reader.remaining()) {
    return Damaged("its counts do not fit its length");
  }
  if (list.full && (removed != 0 || list.base_seq != 0))
    return Damaged("a full list removes nothing");
  RETURN_IF_ERROR(ReadIds(reader, added, &list.added));
  RETURN_IF_ERROR(ReadIds(reader, removed, &list.removed));
  for (auto a = list.added.begin(), r = list.removed.begin();
       a != list.added.end() && r != list.removed.end();) {
    if (*a == *r) return Damaged("an id is added and removed");
    *a < *r ? static_cast<void>(++a) : static_cast<void>(++r);
  }
  return list;
}

}  // namespace holdfast
