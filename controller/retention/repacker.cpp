#include "controller/retention/repacker.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/format/object.h"
#include "common/log/log.h"

namespace holdfast::retention {

// An unfinished pack stays readable in staging; the next start finishes it, holding nothing.
Repacker::~Repacker() = default;

absl::Status Repacker::Add(const catalog::PackWeight& pack) {
  ASSIGN_OR_RETURN(const auto entries, catalog_.collection().ChunksIn(pack.pack_row));
  for (const PackEntry& entry : entries) {
    RETURN_IF_ERROR(CopyObject(pack, entry));
    if (pack_ && pack_->size_bytes() >= store::kPackTargetBytes) RETURN_IF_ERROR(Finish());
  }
  return absl::OkStatus();
}

absl::Status Repacker::CopyObject(const catalog::PackWeight& pack, const PackEntry& entry) {
  absl::StatusOr<Bytes> object =
      store_.ReadObject(pack.name, 0, entry.offset_bytes, entry.length_bytes);
  if (object.ok()) {
    const auto header = ParseObjectHeader(*object);
    if (!header.ok() || header->chunk_id != entry.id || header->domain != pack.domain) {
      object = Error(ErrorKind::kIntegrity, 5042, "it is not the object that the catalog names");
    }
  }
  if (!object.ok()) {
    if (!absl::IsDataLoss(object.status())) return object.status();
    log::Error("chunk {} does not read: {}", entry.id.hex(), MessageOf(object.status()));
    damaged_.push_back(entry.id);
    return catalog_.MarkBad(pack.domain, entry.id);
  }
  HOLDFAST_FAIL_POINT("gc.copy");
  if (!pack_) RETURN_IF_ERROR(Begin(pack.domain));
  ASSIGN_OR_RETURN(const PackEntry to, pack_->Append(entry.id, *object));
  copied_.push_back({pack.pack_row, {entry.id, entry.offset_bytes, to}});
  return absl::OkStatus();
}

absl::Status Repacker::Begin(const DomainId& domain) {
  ASSIGN_OR_RETURN(pack_, store_.CreatePack());
  ASSIGN_OR_RETURN(pack_row_, catalog_.AddOpenPack(domain, pack_->number()));
  return absl::OkStatus();
}

absl::Status Repacker::Finish() {
  if (!pack_) return absl::OkStatus();
  const std::uint64_t size = pack_->size_bytes();
  const std::uint64_t number = pack_->number();
  const auto pack = std::move(pack_);
  ASSIGN_OR_RETURN(const PackName name, pack->Finish());
  HOLDFAST_FAIL_POINT("gc.copied");
  RETURN_IF_ERROR(catalog_.FinishPack(pack_row_, name, size));
  written_bytes_ += size;
  HOLDFAST_FAIL_POINT("gc.move");
  RETURN_IF_ERROR(MoveRows());
  return store_.Settle(number);
}

absl::Status Repacker::MoveRows() {
  constexpr auto kBatch = static_cast<std::size_t>(catalog::kStepRows);
  for (std::size_t begin = 0; begin < copied_.size();) {
    const std::int64_t from = copied_[begin].from_pack;
    std::vector<catalog::MovedObject> batch;
    for (; begin < copied_.size() && copied_[begin].from_pack == from && batch.size() < kBatch;
         ++begin) {
      batch.push_back(copied_[begin].object);
    }
    RETURN_IF_ERROR(catalog_.collection().MoveChunks(from, pack_row_, batch).status());
  }
  copied_.clear();
  return absl::OkStatus();
}

}  // namespace holdfast::retention
