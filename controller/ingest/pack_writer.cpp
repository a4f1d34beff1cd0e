#include "controller/ingest/pack_writer.h"

#include <utility>

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/log/log.h"

namespace holdfast::ingest {

PackWriter::~PackWriter() {
  if (const absl::Status status = Finish(); !status.ok()) {
    log::Error("unable to finish a pack at the end of a session: {}", MessageOf(status));
  }
}

absl::Status PackWriter::Append(const ChunkId& id, ByteView object, std::vector<ChunkId> bases) {
  if (!pack_) {
    ASSIGN_OR_RETURN(pack_, store_.CreatePack());
    HOLDFAST_FAIL_POINT("ingest.open-pack");
    ASSIGN_OR_RETURN(pack_row_, catalog_.AddOpenPack(domain_, pack_->number()));
  }
  ASSIGN_OR_RETURN(const PackEntry entry, pack_->Append(id, object));
  unsynced_.push_back(entry);
  unsynced_bytes_ += entry.length_bytes;
  if (!bases.empty()) unsynced_bases_[id] = std::move(bases);
  return absl::OkStatus();
}

absl::Status PackWriter::Flush() {
  if (unsynced_.empty()) return absl::OkStatus();
  HOLDFAST_FAIL_POINT("ingest.flush");
  absl::Status status = pack_->Sync();
  if (status.ok()) status = catalog_.AddChunks(pack_row_, unsynced_, unsynced_bases_);
  unsynced_bases_.clear();
  unsynced_.clear();
  const std::uint64_t flushed_bytes = std::exchange(unsynced_bytes_, 0);
  if (!status.ok()) {
    // Nothing of this pack is promised beyond what was flushed before; that part is recovered at
    // the next start.
    pack_.reset();
    return status;
  }
  HOLDFAST_FAIL_POINT("ingest.stored");
  stored_bytes_ += flushed_bytes;
  return pack_->size_bytes() >= store::kPackTargetBytes ? Finish() : absl::OkStatus();
}

absl::Status PackWriter::Finish() {
  if (!pack_) return absl::OkStatus();
  if (!unsynced_.empty()) {
    RETURN_IF_ERROR(Flush());
    if (!pack_) return absl::OkStatus();
  }
  const std::uint64_t size = pack_->size_bytes();
  const std::uint64_t number = pack_->number();
  const auto pack = std::move(pack_);
  ASSIGN_OR_RETURN(const PackName name, pack->Finish());
  if (name.IsZero()) return catalog_.ForgetPack(pack_row_);
  HOLDFAST_FAIL_POINT("ingest.finished-pack");
  RETURN_IF_ERROR(catalog_.FinishPack(pack_row_, name, size));
  HOLDFAST_FAIL_POINT("ingest.settle");
  return store_.Settle(number);
}

}  // namespace holdfast::ingest
