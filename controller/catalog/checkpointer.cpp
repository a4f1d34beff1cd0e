#include "controller/catalog/checkpointer.h"

#include "common/base/error.h"

namespace holdfast::catalog {

void Checkpointer::Wake() {
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
  }
  std::lock_guard lock(mutex_);
  awake_ = true;
  changed_.notify_one();
}

void Checkpointer::Run(std::stop_token stop) {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return awake_; })) return;
    }
    Checkpoint().IgnoreError();
    // Every commit wakes while the log is large: those of meanwhile are served, and where it still
    // is large the next one wakes again.
    std::lock_guard lock(mutex_);
    awake_ = false;
  }
}

absl::Status Checkpointer::Checkpoint() {
  if (!db_) {
    ASSIGN_OR_RETURN(db_, SqliteDb::Open(path_, SqliteDb::Mode::kWriter));
  }
  // The second time there is only what came during the first.
  RETURN_IF_ERROR(db_->Checkpoint());
  RETURN_IF_ERROR(db_->Checkpoint());
  std::lock_guard no_writer(writers_);
  return db_->Checkpoint();
}

}  // namespace holdfast::catalog
