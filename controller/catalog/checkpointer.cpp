#include "controller/catalog/checkpointer.h"

#include "common/base/error.h"

namespace holdfast::catalog {
namespace {

constexpr int kFewPages = 512;  // 2 MiB
constexpr int kMaxPasses = 8;   // somebody writes faster than that
// While one reader follows the other there is always one of an older state, and the log never
// begins anew. Above this size writers wait for it.
constexpr int kManyPages = 16'384;  // 64 MiB
constexpr absl::Duration kPatience = absl::Milliseconds(30);

}  // namespace

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
  // Each time there is only what came during the last one, until that is little.
  ASSIGN_OR_RETURN(int before, db_->Checkpoint());
  for (int pass = 1; pass < kMaxPasses; ++pass) {
    ASSIGN_OR_RETURN(const int now, db_->Checkpoint());
    const bool few = now - before < kFewPages;
    before = now;
    if (few) break;
  }
  std::lock_guard no_writer(writers_);
  return before < kManyPages ? db_->Checkpoint().status() : db_->CheckpointBehindReaders(kPatience);
}

}  // namespace holdfast::catalog
