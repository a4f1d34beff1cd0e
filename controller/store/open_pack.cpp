#include "controller/store/open_pack.h"

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/format/object.h"
#include "common/log/log.h"
#include "controller/store/pack_health.h"
#include "controller/store/staging.h"
#include "fmt/format.h"

namespace holdfast::store {

absl::StatusOr<std::unique_ptr<OpenPack>> DirectoryOpenPack::Create(
    std::shared_ptr<StoreFiles> files, std::uint64_t number) {
  const std::string path = OpenPackPath(files->staging, number);
  auto created = files->fs.Create(path);
  if (!created.ok()) return files->AfterWrite(created.status());
  std::unique_ptr<DirectoryOpenPack> pack(
      new DirectoryOpenPack(files, number, *std::move(created)));
  absl::Status status = pack->AppendWhole(kPackHeader);
  if (status.ok()) status = files->AfterSync(files->fs.SyncDirectory(files->staging));
  if (!status.ok()) {
    files->fs.Remove(path).IgnoreError();  // else the next Open removes it
    return status;
  }
  pack->hasher_.Update(kPackHeader);
  pack->size_bytes_ = kPackHeader.size();
  return std::unique_ptr<OpenPack>(std::move(pack));
}

absl::StatusOr<PackEntry> DirectoryOpenPack::Append(const ChunkId& id, ByteView object) {
  HOLDFAST_CHECK(!object.empty() && object.size() <= kMaxObjectBytes);
  RETURN_IF_ERROR(CheckFilling());
  RETURN_IF_ERROR(files_->CheckWritable(object.size()));
  RETURN_IF_ERROR(AppendWhole(object));
  hasher_.Update(object);
  entries_.push_back({id, size_bytes_, static_cast<std::uint32_t>(object.size()), Crc32(object)});
  size_bytes_ += object.size();
  return entries_.back();
}

absl::Status DirectoryOpenPack::Sync() {
  RETURN_IF_ERROR(CheckFilling());
  if (synced_bytes_ == size_bytes_) return absl::OkStatus();
  if (absl::Status status = file_->Sync(); !status.ok()) return GiveUp(std::move(status));
  synced_bytes_ = size_bytes_;
  return absl::OkStatus();
}

absl::StatusOr<PackName> DirectoryOpenPack::Finish() {
  RETURN_IF_ERROR(CheckFilling());
  if (entries_.empty()) return RemoveEmpty();
  HOLDFAST_FAIL_POINT("pack.finish");
  const Bytes footer = EncodePackFooter(entries_);
  RETURN_IF_ERROR(AppendWhole(footer));
  if (absl::Status status = file_->Sync(); !status.ok()) return GiveUp(std::move(status));
  synced_bytes_ = size_bytes_ + footer.size();
  hasher_.Update(footer);
  const PackName name = *PackName::From(hasher_.Finish().view());
  files_->RememberFinished(number_, name);  // also when the move fails half-way
  const absl::Status moved = MoveToPacks(files_->fs, files_->staging, files_->root, number_, name);
  if (!moved.ok()) {
    if (files_->fs.IsObjectStore(files_->root)) files_->AddUnmoved(number_);
    return GiveUp(moved);
  }
  state_ = State::kDone;
  file_.reset();
  HOLDFAST_KILL_POINT("pack.parity");
  // The pack is complete without it, and a scrub makes what is missing.
  if (const absl::Status status = WriteParity(*files_, name); !status.ok()) {
    log::Error("unable to write the parity of pack {}: {}", name.hex(), MessageOf(status));
  }
  return name;
}

absl::Status DirectoryOpenPack::CheckFilling() const {
  HOLDFAST_CHECK(state_ != State::kDone);
  if (state_ == State::kFilling) return absl::OkStatus();
  return Error(
      ErrorKind::kUnreachable, 5010,
      fmt::format("unable to write to pack {}: it was given up after a failed write", number_));
}

absl::Status DirectoryOpenPack::AppendWhole(ByteView bytes) {
  absl::Status status = file_->Append(bytes);
  if (status.ok()) return status;
  // Part of it may be there: cut it off, so that the next object follows the last whole one.
  if (!file_->Truncate(size_bytes_).ok()) return GiveUp(std::move(status));
  return files_->AfterWrite(std::move(status));
}

// The unsynced tail may or may not be on the disk, and nobody was told that it is: cut it off. The
// objects synced before were promised and stay; the next Open finishes the pack with them.
absl::Status DirectoryOpenPack::GiveUp(absl::Status status) {
  // A disk that refuses this too leaves a torn end, which recovery cuts.
  if (synced_bytes_ < size_bytes_) file_->Truncate(synced_bytes_).IgnoreError();
  state_ = State::kGivenUp;
  file_.reset();
  return files_->AfterSync(std::move(status));
}

absl::StatusOr<PackName> DirectoryOpenPack::RemoveEmpty() {
  state_ = State::kDone;
  file_.reset();
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.Remove(OpenPackPath(files_->staging, number_))));
  RETURN_IF_ERROR(files_->AfterSync(files_->fs.SyncDirectory(files_->staging)));
  return PackName();
}

}  // namespace holdfast::store
