#include "common/concurrency/start_thread.h"

#include <system_error>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {

absl::Status StartThread(std::jthread* thread, std::function<void(std::stop_token)> body) {
  try {
    *thread = std::jthread(std::move(body));
    return absl::OkStatus();
  } catch (const std::system_error& error) {
    return Error(ErrorKind::kUnreachable, 1030,
                 fmt::format("unable to start a thread: {}", error.code().message()),
                 "Raise the limit on threads (TasksMax of the unit, pids.max, LimitNPROC).");
  }
}

absl::Status StartThreads(int most, std::vector<std::jthread>* threads,
                          const std::function<std::function<void()>()>& make_body) {
  for (int i = 0; i < most; ++i) {
    std::jthread thread;
    const absl::Status started =
        StartThread(&thread, [body = make_body()](const std::stop_token&) { body(); });
    if (!started.ok()) return i == 0 ? started : absl::OkStatus();
    threads->push_back(std::move(thread));
  }
  return absl::OkStatus();
}

}  // namespace holdfast
