// Write-once documents of a store directory.
//
// Hides:      directories and their durability, temporary names.
// Invariants: I1  Put returned OK: the file has exactly these bytes and survives power loss, also
//                 when it was there before (its directories are synced again, since an earlier
//                 attempt may have failed right there).
//             I2  Other bytes under an existing name are kConflict 5014.
//             I3  Of a pair the second file is written last: a first one without it may be
//                 replaced, since nothing was promised yet.
// Threading:  every method from any thread.
// Errors:     of the file system and of StoreFiles.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "controller/store/staged_document.h"
#include "controller/store/store_files.h"

namespace holdfast::store {

struct Document {
  std::string path;  // below the store's root
  ByteView bytes;
};
struct LargeDocument {
  std::string path;  // below the store's root
  StagedDocument& content;
};

class Documents {
 public:
  explicit Documents(std::shared_ptr<StoreFiles> files) : files_(std::move(files)) {}

  absl::Status Put(const Document& document);
  absl::Status PutPair(const Document& first, const Document& second);  // I3
  // After an error the content may be taken or not; it is staged again for another attempt.
  absl::Status PutPair(const LargeDocument& first, const Document& second);
  absl::Status Replace(const Document& document);
  absl::StatusOr<Bytes> Get(const std::string& path) const;
  absl::Status Remove(const std::string& path);  // absent: OK
  // Temporary files of a dead predecessor.
  absl::Status RemoveTemporaries();

 private:
  template <typename First>
  absl::Status PutBoth(const First& first, const Document& second);
  absl::Status PutLocked(const Document& document);
  absl::Status PutLocked(const LargeDocument& document);
  absl::Status ReplaceLocked(const Document& document);
  absl::Status ReplaceLocked(const LargeDocument& document);
  // What is there under the name of a document already.
  absl::Status Keep(const std::string& path, bool same);
  absl::Status SyncUpwards(const std::string& directory);

  const std::shared_ptr<StoreFiles> files_;
  std::mutex mutex_;  // one writer at a time: two would share a temporary name
};

}  // namespace holdfast::store
