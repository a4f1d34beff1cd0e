#include "controller/catalog/reader_pool.h"

namespace holdfast::catalog {

absl::StatusOr<std::unique_ptr<SqliteDb>> ReaderPool::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto reader = std::move(idle_.back());
      idle_.pop_back();
      return reader;
    }
  }
  return SqliteDb::Open(path_, SqliteDb::Mode::kReader);
}

void ReaderPool::Return(std::unique_ptr<SqliteDb> reader) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(reader));
}

}  // namespace holdfast::catalog
