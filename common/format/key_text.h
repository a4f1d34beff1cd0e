// Keys as text that a person can write down, read out and type in again.
//
// Hides:      Crockford's base32 (no I, L, O, U; case and hyphens do not matter), the checksum.
// Invariants: a text with one symbol mistyped, lost or added does not decode; the prefix is under
//             the checksum, so a key of one purpose is never taken for another.
// Threading:  pure functions.
// Errors:     kUsage 4100… in plain words; never with the text itself, which is a secret.
// Text: prefix ("hf-rec1-") ‖ base32(secret ‖ 5 bytes of SHA-256(prefix ‖ secret)) in groups of
// five.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace holdfast {

inline constexpr std::string_view kRecoveryKeyPrefix = "hf-rec1-";
inline constexpr std::string_view kOwnerKeyPrefix = "hf-own1-";

std::string EncodeKeyText(std::string_view prefix, ByteView secret);
absl::StatusOr<SecretBytes> DecodeKeyText(std::string_view prefix, std::string_view text);

// The groups after the prefix, as written: to ask an operator for the third and the last.
std::vector<std::string> KeyTextGroups(std::string_view prefix, std::string_view text);
// Same symbols, whatever the case, the hyphens and the look-alikes (O for 0, I and L for 1).
bool SameKeyText(std::string_view a, std::string_view b);

}  // namespace holdfast
