#include "controller/http/fact_cache.h"

#include "common/base/error.h"

namespace holdfast::http {

absl::StatusOr<std::shared_ptr<const Facts>> FactCache::Get() {
  std::unique_lock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  const bool has_answer = answers_ > 0;
  if (has_answer && now - asked_at_ < kFreshFor) return last_;
  if (is_asking_) {
    const bool usable = has_answer && last_.ok() && now - asked_at_ < kUsableFor;
    return usable ? last_ : Wait(lock);
  }
  is_asking_ = true;
  lock.unlock();
  absl::StatusOr<Facts> facts = gather_();
  lock.lock();
  is_asking_ = false;
  asked_at_ = now;
  ++answers_;
  if (facts.ok()) {
    last_ = std::make_shared<const Facts>(*std::move(facts));
  } else {
    last_ = facts.status();
  }
  changed_.notify_all();
  return last_;
}

absl::StatusOr<std::shared_ptr<const Facts>> FactCache::Wait(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t seen = answers_;
  changed_.wait_for(lock, absl::ToChronoNanoseconds(kPatience), [&] { return answers_ != seen; });
  if (answers_ != seen) return last_;
  return Error(ErrorKind::kUnreachable, 6094, "the catalog does not answer");
}

}  // namespace holdfast::http
