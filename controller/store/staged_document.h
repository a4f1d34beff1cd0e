// A document that arrives in pieces and may be too large to hold: on the controller's disk until
// the store takes it under its name.
//
// Hides:      the temporary file staging/<number>.staged.tmp and its removal, and hashing.
// Invariants: I1  hash() and size_bytes() are of all that was appended. Nothing is durable before
//                 the store took it (Documents::PutPair).
//             I2  One that was not taken leaves nothing: its destructor removes the file, after a
//                 crash the next start does (staging.h).
// Threading:  one thread at a time; ReadAt also beside others.
// Errors:     of the file system and of StoreFiles.
#pragma once

#include <memory>
#include <string>

#include "common/crypto/crypto.h"
#include "controller/store/store_files.h"

namespace holdfast::store {

class StagedDocument {
 public:
  static absl::StatusOr<std::unique_ptr<StagedDocument>> Create(std::shared_ptr<StoreFiles> files,
                                                                std::uint64_t number);
  ~StagedDocument();

  absl::Status Append(ByteView piece);
  // Also after the store took it.
  absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const {
    return file_->ReadAt(offset, size);
  }
  std::uint64_t size_bytes() const { return size_bytes_; }
  const Hash256& hash();  // SHA-256; nothing may be appended any more

  // For the store: synced, its file becomes `path`, where none may be. Not durable before the
  // directory is.
  absl::Status MoveTo(const std::string& path);

 private:
  StagedDocument(std::shared_ptr<StoreFiles> files, std::string path, std::unique_ptr<File> file)
      : files_(std::move(files)), path_(std::move(path)), file_(std::move(file)) {}

  const std::shared_ptr<StoreFiles> files_;
  std::string path_;  // empty once it is the store's
  const std::unique_ptr<File> file_;
  std::uint64_t size_bytes_ = 0;
  Sha256Hasher hasher_;
  std::optional<Hash256> hash_;
};

}  // namespace holdfast::store
