// Certificates of the installation's own CA: making, signing, reading, and finding out why a
// handshake failed.
//
// The CA is made by the controller; agents get client certificates by CSR. An identity is the one
// URI in the SAN (spiffe://holdfast/<controller>/agent/<id>), never the CN. Keys are ECDSA P-256.
// X.509: RFC 5280; SPIFFE ID.
// Invariants: I1  A certificate signed here has exactly one URI, one extended key usage (client or
//                 server) and CA:FALSE.
//             I2  A server certificate also carries the DNS name kServerName, which every client
//                 expects.
// Threading:  pure functions.
// Errors:     kPermission 60xx, kIntegrity for text that is no certificate.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "common/crypto/secret.h"

namespace holdfast::rpc {

inline constexpr char kServerName[] = "holdfast-controller";

struct TlsIdentity {
  std::string authority_pem;    // the CA that the other side must have
  std::string certificate_pem;  // ours
  SecretBytes key_pem;
};

struct CertifiedKey {
  std::string certificate_pem;
  SecretBytes key_pem;
};

enum class CertificateUsage { kClient, kServer };

struct CertificateFacts {
  std::string uri;      // empty when there is none or more than one
  Hash256 key_pin;      // SHA-256 of SubjectPublicKeyInfo
  Hash256 fingerprint;  // SHA-256 of the certificate (DER)
  absl::Time not_before;
  absl::Time not_after;
  bool is_authority = false;
};

absl::StatusOr<CertifiedKey> MakeAuthority(const std::string& name, absl::Time now);
SecretBytes MakeKeyPem();
absl::StatusOr<std::string> MakeRequest(const SecretBytes& key_pem);  // CSR with an empty subject

struct SignOptions {
  std::string uri;
  CertificateUsage usage = CertificateUsage::kClient;
  absl::Time not_before;
  absl::Time not_after;
};
// Takes the public key of the request and nothing else; the request's own signature is checked.
absl::StatusOr<std::string> SignRequest(const CertifiedKey& authority, const std::string& csr_pem,
                                        const SignOptions& options);
absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem);

// kPermission when `identity` is expired, not yet valid, not signed by its authority, or does not
// fit its key.
absl::Status CheckIdentity(const TlsIdentity& identity, absl::Time now);
// The same for one that logs in: also kPermission 6024 when the certificate is not for clients.
absl::Status CheckClientIdentity(const TlsIdentity& identity, absl::Time now);

std::string AgentUri(ByteView controller_id, const AgentId& agent);
std::string RecoveryUri(ByteView controller_id);
std::string ServerUri(ByteView controller_id);
struct PeerUri {
  Bytes controller_id;
  enum class Kind { kAgent, kRecovery, kServer } kind = Kind::kAgent;
  AgentId agent;
};
std::optional<PeerUri> ParseUri(const std::string& uri);

// Connects to host:port with plain OpenSSL and says in words why a gRPC connection fails: refused,
// not TLS, another CA, expired, our certificate refused. OK when the handshake works. May take
// seconds: a connection that ends without a reason is tried again.
absl::Status DiagnoseConnection(const std::string& address, const TlsIdentity& identity,
                                absl::Time now);

}  // namespace holdfast::rpc
