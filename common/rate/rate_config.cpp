#include "common/rate/rate_config.h"

#include "common/base/error.h"
#include "common/config/week_hours.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kLeastLimit = 64 * 1024;  // below, no object of 16 MiB would ever arrive

absl::StatusOr<BytesPerSecond> ReadLimit(const ConfigNode& node) {
  if (!node.Has("limit")) return BytesPerSecond();
  ASSIGN_OR_RETURN(const std::uint64_t limit, node.Size("limit", 0));
  if (limit < kLeastLimit) {
    return node.Find("limit")->Refuse("this is less than 64 KiB per second",
                                      "Leave the line out for no limit.");
  }
  return BytesPerSecond(limit);
}

}  // namespace

absl::StatusOr<RateTimetable> ReadRateTimetable(const ConfigNode& node) {
  RETURN_IF_ERROR(node.CheckKeys({"limit", "timetable"}));
  RateTimetable timetable;
  ASSIGN_OR_RETURN(timetable.limit, ReadLimit(node));
  if (!node.Has("timetable")) return timetable;
  ASSIGN_OR_RETURN(const auto windows, node.List("timetable"));
  for (const ConfigNode& window : windows) {
    RETURN_IF_ERROR(window.CheckKeys({"days", "from", "to", "limit"}, {"from", "to"}));
    RateWindow read;
    ASSIGN_OR_RETURN(read.hours, ReadWeekHours(window));
    ASSIGN_OR_RETURN(read.limit, ReadLimit(window));
    timetable.windows.push_back(read);
  }
  return timetable;
}

}  // namespace holdfast
