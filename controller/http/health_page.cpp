#include "controller/http/health_page.h"

#include "controller/http/health.h"

namespace holdfast::http {

std::shared_ptr<const HealthPage::Answer> HealthPage::Get(
    const std::shared_ptr<const Facts>& facts) {
  std::lock_guard lock(mutex_);
  if (!newest_ || newest_->facts != facts) {
    newest_ = std::make_shared<const Answer>(
        Answer{facts, Judge(*facts).healthy() ? 200 : 503, HealthJson(*facts)});
  }
  return newest_;
}

}  // namespace holdfast::http
