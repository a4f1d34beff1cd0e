#include "controller/store/pack_indexes.h"

#include "common/base/error.h"

namespace holdfast::store {

absl::StatusOr<std::shared_ptr<const PackIndex>> PackIndexes::Get(const std::string& path) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = by_path_.find(path); found != by_path_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
  }
  ASSIGN_OR_RETURN(PackIndex index, ReadPackIndex(fs_, path));
  auto shared = std::make_shared<const PackIndex>(std::move(index));
  std::lock_guard lock(mutex_);
  if (by_path_.contains(path)) return shared;
  recent_.emplace_front(path, shared);
  by_path_[path] = recent_.begin();
  if (recent_.size() > kKept) {
    by_path_.erase(recent_.back().first);
    recent_.pop_back();
  }
  return shared;
}

}  // namespace holdfast::store
