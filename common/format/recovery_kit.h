// The recovery kit: one page of plain text with which everything comes back when all else is gone.
//
// Hides:      wording, layout, where each key stands in the page.
// Invariants: I1  Parse(Render(kit)) gives kit; white space, case and line breaks inside keys do
//                 not matter, so a kit that was printed and typed in again works.
//             I2  Every field is under a checksum: Parse gives the kit that was rendered or an
//                 error.
//             I3  The owner's public key is that of the owner key.
// Threading:  pure functions.
// Errors:     kUsage 4110 naming the line; never with a key in the text.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"
#include "common/format/key_text.h"

namespace holdfast {

struct RecoveryKit {
  PublicKey owner_public;          // Ed25519
  SecretBytes owner_seed;          // 32
  SecretBytes recovery_secret;     // 32, X25519: opens every run key
  std::string enrollment_address;  // host:port of the controller; may be empty
  Hash256 ca_fingerprint;          // SHA-256 of the CA certificate (DER)
  Bytes controller_id;
};

std::string RenderRecoveryKit(const RecoveryKit& kit);
absl::StatusOr<RecoveryKit> ParseRecoveryKit(std::string_view text);

}  // namespace holdfast
