// What operators set by command, as the store keeps it for the day on which the catalog is lost.
//
// Hides:      the encoding.
// Invariants: I1  A document that opens was signed by the key that it names, and not changed since.
//                 Whether that key is the controller's own is for the reader to know.
//             I2  Tables and columns that a reader does not know are left to it: it may skip them.
// Layout:     "HFSETT1\n" ‖ controller id 16 ‖ generation u64 ‖ written_at_ms u64 ‖ signer 32 ‖
//             tables u16 ‖ (field(name) ‖ columns u16 ‖ rows u32 ‖ field(cell) × columns × rows) ×
//             tables ‖ signature 64, over "holdfast signature " and all before it
// Threading:  values.
// Errors:     kIntegrity 4046.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"

namespace holdfast {

// Rows of equal length; numbers are decimal digits.
using SettingTables = std::map<std::string, std::vector<std::vector<Bytes>>>;

struct SettingsDocument {
  Bytes controller_id;           // 16
  std::uint64_t generation = 0;  // the higher one counts
  std::uint64_t written_at_ms = 0;
  PublicKey signer;
  SettingTables tables;
};

Bytes SignSettings(const SettingsDocument& document, const KeyPair& key);  // as of that signer
absl::StatusOr<SettingsDocument> OpenSettings(ByteView bytes);

}  // namespace holdfast
