// The client of the controller's enrolment endpoint (controller/daemon/enrollment.h).
//
// Hides:      libcurl, the pinning of the CA: it is fetched unverified, compared with the
//             fingerprint from the token or kit, and only then trusted for the call that carries a
//             secret.
// Threading:  blocking calls.
// Errors:     kUnreachable 6062, kPermission 6063 (fingerprint differs, refused token), or as the
//             controller says.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/crypto/crypto.h"

namespace holdfast::daemon {

struct CertificateGrant {
  std::string certificate_pem;
  std::string authority_pem;
  Bytes controller_id;
  std::string agent_address;  // host:port, gRPC
};

struct EnrollRequest {
  std::string address;  // host:port
  Hash256 ca_fingerprint;
  Bytes token_id;
  SecretBytes secret;
  AgentId agent_id;
  std::string agent_name;
  std::string csr_pem;
  std::string host;
};
absl::StatusOr<CertificateGrant> RequestEnrollment(const EnrollRequest& request);

struct RecoverRequest {
  std::string address;
  Hash256 ca_fingerprint;
  KeyPair owner;
  std::string csr_pem;
  absl::Time now;
};
absl::StatusOr<CertificateGrant> RequestRecovery(const RecoverRequest& request);

}  // namespace holdfast::daemon
