// The page behind a link that acknowledges an alert: asks first, then says how it went.
//
// Invariants: no script, nothing from elsewhere, nothing of the request is repeated; the link is
//             told to nobody else (no referrer, see kPageHeaders).
// Threading:  pure functions.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace holdfast::http {

inline constexpr std::string_view kAcknowledgePath = "/ack/";  // then the token

inline constexpr std::array<std::pair<const char*, const char*>, 3> kPageHeaders{
    {{"Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'"},
     {"Referrer-Policy", "no-referrer"},
     {"X-Frame-Options", "DENY"}}};

std::string AskToAcknowledge();
// Of the alert with this title, or why not.
std::string AcknowledgedPage(const absl::StatusOr<std::string>& title);

}  // namespace holdfast::http
