// The indexes of the packs read most recently: where objects lie and what their CRC is.
//
// Hides:      the cache (bounded in packs; about 1.5 KiB for a pack of 32 MiB).
// Invariants: a pack is never rewritten, so an index once read stays right; damage that comes later
//             shows when an object's CRC is compared.
// Threading:  any thread.
// Errors:     those of ReadPackIndex.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/format/pack_file.h"

namespace holdfast::store {

class PackIndexes {
 public:
  explicit PackIndexes(FileSystem& fs) : fs_(fs) {}
  absl::StatusOr<std::shared_ptr<const PackIndex>> Get(const std::string& path);

 private:
  static constexpr std::size_t kKept = 2048;
  using Item = std::pair<std::string, std::shared_ptr<const PackIndex>>;

  FileSystem& fs_;
  std::mutex mutex_;        // guards all below
  std::list<Item> recent_;  // newest first
  std::map<std::string, std::list<Item>::iterator> by_path_;
};

}  // namespace holdfast::store
