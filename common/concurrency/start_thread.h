// Starting a thread that the system may refuse: a limit on threads is met.
//
// Hides:      that the standard library throws.
// Invariants: after an error nothing runs, and *thread or *threads are as they were.
// Threading:  any.
// Errors:     kUnreachable 1030: it may pass, when others have ended.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace holdfast {

absl::Status StartThread(std::jthread* thread, std::function<void(std::stop_token)> body);

// Up to `most` that share one work, each with the body that `make_body` makes for it. An error only
// when there is not a single one.
absl::Status StartThreads(int most, std::vector<std::jthread>* threads,
                          const std::function<std::function<void()>()>& make_body);

}  // namespace holdfast
