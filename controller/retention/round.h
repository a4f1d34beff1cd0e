// What the parts of one collection share.
// Threading: one thread.
#pragma once

#include <stop_token>
#include <string>

#include "controller/retention/collector.h"

namespace holdfast::retention {

inline constexpr std::uint32_t kEverySnapshot = 1'000'000;  // as a limit: more than there are

struct Collector::Round {
  Pace pace = Pace::kFast;
  std::stop_token stop;
  std::uint64_t now_ms = 0;  // when it began: nothing that happens meanwhile is due
  CollectionReport report;
  std::uint64_t written_bytes = 0;  // of packs that were copied together
};

std::string NameOf(const catalog::SourceRow& source, std::uint64_t seq);  // "db@5", escaped

// Less than so much of it is in use.
inline bool IsLight(const catalog::PackWeight& pack, std::uint32_t live_percent) {
  return pack.live_bytes == 0 || pack.live_bytes * 100 < pack.size_bytes * live_percent;
}

}  // namespace holdfast::retention
