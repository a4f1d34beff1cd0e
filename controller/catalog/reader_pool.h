// Query-only connections that wait to be used again.
//
// Hides:      when one is opened.
// Invariants: as many as were in use at once are kept, and closed with the pool.
// Threading:  every method from any thread.
// Errors:     of the connection.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

class ReaderPool {
 public:
  explicit ReaderPool(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::unique_ptr<SqliteDb>> Take();
  void Return(std::unique_ptr<SqliteDb> reader);

 private:
  const std::string path_;
  std::mutex mutex_;  // guards idle_
  std::vector<std::unique_ptr<SqliteDb>> idle_;
};

}  // namespace holdfast::catalog
