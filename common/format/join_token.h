// A join token: what an operator hands to a new agent, once, as one line of text.
//
// Hides:      the byte layout, base64url, the checksum.
// Invariants: I1  Decode(Encode(t)) gives t; any other text with one character changed, lost or
//                 added is refused before a field of it is used.
//             I2  Nothing in it is trusted for long: the secret works once, the grant expires.
// Threading:  pure functions.
// Errors:     kUsage 6068 for a text that is no token, is cut or mistyped.
// Layout:     "hfjoin1." ‖ base64url without padding of: address ‖ ca fingerprint 32 ‖ token id ‖
//             secret ‖ owner 32 ‖ grant ‖ grant seed ‖ first 4 bytes of the SHA-256 of all before.
//             Fields of varying length have a u32 length in front.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"
#include "common/format/trust.h"

namespace holdfast {

struct JoinToken {
  std::string enrollment_address;  // host:port, HTTPS
  Hash256 ca_fingerprint;          // SHA-256 of the CA certificate (DER)
  Bytes token_id;                  // 16
  SecretBytes secret;              // 16; the controller knows its SHA-256 only
  PublicKey owner;                 // Ed25519, to be pinned
  EnrolmentGrant grant;            // signed by the owner
  SecretBytes grant_seed;          // 32, Ed25519 seed of grant.grant_key
};

std::string EncodeJoinToken(const JoinToken& token);
// White space around and line breaks inside are ignored: terminals wrap long lines.
absl::StatusOr<JoinToken> DecodeJoinToken(std::string_view text);

}  // namespace holdfast
