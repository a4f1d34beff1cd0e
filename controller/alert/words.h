// Times, spans and sizes in the words of an alert.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace holdfast::alert {

std::string TimeWords(absl::Time time);          // "2026-01-07 02:00 UTC", "never"
std::string SpanWords(absl::Duration duration);  // "25 h", "3 h 10 min", "12 days"
std::string SizeWords(std::uint64_t bytes);      // "1.6 GiB"

}  // namespace holdfast::alert
