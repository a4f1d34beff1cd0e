// What is said over HTTPS when a host asks for a certificate, as JSON: by the agent and by the
// controller.
//
// Hides:      JSON.
// Invariants: I1  Whatever comes, decoding ends with values or an error. What is missing, of
//                 another type or too large counts as empty.
//             I2  What was encoded can be decoded; bytes that are no UTF-8 are replaced.
// Threading:  values and pure functions.
// Errors:     kUsage 6052 for a request that is no JSON object, and as each function says.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "common/crypto/secret.h"

namespace holdfast::enrolment {

// With a join token.
struct TokenRequest {
  Bytes token_id;
  SecretBytes secret;
  AgentId agent_id;
  std::string agent_name;
  std::string csr_pem;
  std::string host;
};
std::string Encode(const TokenRequest& request);
// kPermission 6020 when it holds no token or no agent.
absl::StatusOr<TokenRequest> DecodeTokenRequest(ByteView json);

// With the owner's key.
struct RecoveryRequest {
  std::string csr_pem;
  std::uint64_t time_ms = 0;
  Bytes signature;
};
std::string Encode(const RecoveryRequest& request);
absl::StatusOr<RecoveryRequest> DecodeRecoveryRequest(ByteView json);

struct Grant {
  std::string certificate_pem;
  std::string authority_pem;
  Bytes controller_id;
  int agent_port = 0;
  std::string advertise;  // a host; empty: the one that was asked
};
std::string Encode(const Grant& grant);
absl::StatusOr<Grant> DecodeGrant(ByteView json);  // kFailed 6066 when it is incomplete

std::string EncodeRefusal(const absl::Status& refusal);
// Never OK. `http_code` is told when there is no text, which is Escaped().
absl::Status DecodeRefusal(ByteView json, long http_code);

}  // namespace holdfast::enrolment
