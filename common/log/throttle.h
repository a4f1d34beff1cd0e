// Which of many equal events get a line in the log: the first of each kind, then one per period.
//
// Hides:      what is remembered of each kind, and that no more than kMaxKeys kinds are.
// Invariants: I1  No event is lost from the count: a line tells how many of its kind went before it
//                 without one.
//             I2  Memory is bounded whatever keys strangers make up: beyond kMaxKeys all new ones
//                 share one.
// Threading:  any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace holdfast::log {

// " (3 more like it before)" for the end of a line; empty for 0.
std::string MoreLikeIt(std::uint64_t others);

class Throttle {
 public:
  static constexpr std::size_t kMaxKeys = 256;
  explicit Throttle(absl::Duration period) : period_(period) {}

  // An event of this kind at the monotonic time `now`: empty when it gets no line, else the number
  // of those since the last line that got none.
  std::optional<std::uint64_t> Admit(std::string_view key, absl::Duration now);

 private:
  struct Seen {
    absl::Duration last_line;
    std::uint64_t without_line = 0;
  };
  const absl::Duration period_;
  std::mutex mutex_;  // guards seen_
  std::map<std::string, Seen, std::less<>> seen_;
};

}  // namespace holdfast::log
