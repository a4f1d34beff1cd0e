#include "controller/store/staged_document.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::store {

absl::StatusOr<std::unique_ptr<StagedDocument>> StagedDocument::Create(
    std::shared_ptr<StoreFiles> files, std::uint64_t number) {
  std::string path = JoinPath(files->staging, fmt::format("{}.staged.tmp", number));
  auto created = files->fs.Create(path);
  if (!created.ok()) return files->AfterWrite(created.status());
  return std::unique_ptr<StagedDocument>(
      new StagedDocument(std::move(files), std::move(path), *std::move(created)));
}

StagedDocument::~StagedDocument() {
  if (!path_.empty()) files_->fs.Remove(path_).IgnoreError();  // else the next start removes it
}

absl::Status StagedDocument::Append(ByteView piece) {
  HOLDFAST_CHECK(!hash_);
  RETURN_IF_ERROR(files_->CheckWritable(piece.size()));
  RETURN_IF_ERROR(files_->AfterWrite(file_->Append(piece)));
  hasher_.Update(piece);
  size_bytes_ += piece.size();
  return absl::OkStatus();
}

const Hash256& StagedDocument::hash() {
  if (!hash_) hash_ = hasher_.Finish();
  return *hash_;
}

absl::Status StagedDocument::MoveTo(const std::string& path) {
  RETURN_IF_ERROR(files_->AfterSync(file_->Sync()));
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.Rename(path_, path)));
  path_.clear();
  return absl::OkStatus();
}

}  // namespace holdfast::store
