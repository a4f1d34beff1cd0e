// What a check of a pack found, and how fast it may read.
// Threading:  values.
#pragma once

#include <cstdint>
#include <functional>

namespace holdfast::store {

enum class PackCheck {
  kSound,
  kParityMade,  // sound, and its parity was missing or damaged
  kRepaired,    // was damaged, has its name again
  kDamaged,     // beyond repair: its objects are checked one by one
  kMissing,
  kNotNow,        // damaged, and the repair could not be written: perhaps later
  kParityNotNow,  // sound, and its parity could not be written: perhaps later
  kStopped,       // `pace` said so
};

// Called with the bytes read since the last call; may wait. False: stop.
using ReadPace = std::function<bool(std::uint64_t bytes)>;

}  // namespace holdfast::store
