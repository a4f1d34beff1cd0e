// Brings a large write-ahead log into the database beside the writer, whose transactions would wait
// for thousands of scattered pages and their sync.
//
// Hides:      a thread with a connection of its own, both made when they are first needed.
// Invariants: writers are kept out only for what came into the log while the rest was brought over,
//             so that the log begins anew, as SQLite lets it when nothing of it is left to do; and
//             for 30 ms at most while readers hinder that and the log has 64 MiB.
// Threading:  Wake with `writers` held; the destructor without.
// Errors:     none: what could not be brought over is tried again at the next wake, and stays in
//             the log meanwhile.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/concurrency/fair_mutex.h"
#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

class Checkpointer {
 public:
  Checkpointer(std::string path, FairMutex& writers) : path_(std::move(path)), writers_(writers) {}
  // Returns at once.
  void Wake();

 private:
  void Run(std::stop_token stop);
  absl::Status Checkpoint();

  const std::string path_;
  FairMutex& writers_;
  std::unique_ptr<SqliteDb> db_;  // the thread's
  std::mutex mutex_;              // guards awake_
  std::condition_variable_any changed_;
  bool awake_ = false;
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace holdfast::catalog
