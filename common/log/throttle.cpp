#include "common/log/throttle.h"

#include "fmt/format.h"

#include <utility>

namespace holdfast::log {

std::optional<std::uint64_t> Throttle::Admit(std::string_view key, absl::Duration now) {
  std::lock_guard lock(mutex_);
  auto found = seen_.find(key);
  if (found == seen_.end() && seen_.size() >= kMaxKeys) {
    // Kinds that have been quiet for a period make room; if all are busy, newcomers share a line.
    std::erase_if(seen_, [&](const auto& each) {
      return each.second.without_line == 0 && now - each.second.last_line >= period_;
    });
    if (seen_.size() >= kMaxKeys) {
      key = "";
      found = seen_.find(key);
    }
  }
  if (found == seen_.end()) {
    seen_.emplace(key, Seen{now});
    return 0;
  }
  Seen& seen = found->second;
  if (now - seen.last_line < period_) {
    ++seen.without_line;
    return std::nullopt;
  }
  seen.last_line = now;
  return std::exchange(seen.without_line, 0);
}

std::string MoreLikeIt(std::uint64_t others) {
  return others == 0 ? "" : fmt::format(" ({} more like it before)", others);
}

}  // namespace holdfast::log
