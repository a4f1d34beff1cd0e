// The answer of /health/backup, made once for the facts of a moment and given to all who ask.
//
// Invariants: an answer is that of the facts it was asked with.
// Threading:  Get from any thread.
// Errors:     none.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "controller/http/facts.h"

namespace holdfast::http {

class HealthPage {
 public:
  struct Answer {
    std::shared_ptr<const Facts> facts;
    int code = 0;
    std::string text;
  };
  std::shared_ptr<const Answer> Get(const std::shared_ptr<const Facts>& facts);

 private:
  std::mutex mutex_;  // guards newest_
  std::shared_ptr<const Answer> newest_;
};

}  // namespace holdfast::http
