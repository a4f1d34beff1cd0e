// Numbers, durations and sizes as an operator writes them.
//
// Invariants: decimal digits only: no sign on unsigned values, no leading zero, no octal, no
//             fraction, no white space but one optional blank before a unit. What does not fit its
//             type is refused, never clamped.
// Threading:  pure functions.
// Errors:     nullopt; the caller knows where the text stands and says what is expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"

namespace holdfast {

std::optional<std::int64_t> ParseInteger(std::string_view text);  // "0", "42", "-7"

// "500ms", "30s", "15m", "4h", "7d", "2w"; "0" needs no unit.
std::optional<absl::Duration> ParseDuration(std::string_view text);

// "512" (bytes), "4 KiB", "64MiB", "10 GB": B, kB/KB, MB, GB, TB are powers of 1000; KiB, MiB, GiB,
// TiB of 1024.
std::optional<std::uint64_t> ParseSize(std::string_view text);

}  // namespace holdfast
