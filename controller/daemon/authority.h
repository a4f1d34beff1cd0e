// The installation's CA and the controller's own certificate, in <data directory>/identity.
//
// Invariants: I1  Made once; keys are mode 0600 and never leave the directory.
//             I2  The server certificate is made anew at every start when less than a year of it is
//                 left.
// Threading:  const after Open; any thread.
// Errors:     kPermission for keys with wrong rights or that do not fit their certificate (6013,
//             6014).
#pragma once

#include <string>

#include "common/env/env.h"
#include "common/rpc/tls.h"

namespace holdfast::daemon {

inline constexpr absl::Duration kAgentCertificateLife = absl::Hours(24 * 90);
inline constexpr absl::Duration kRecoveryCertificateLife = absl::Hours(24);

class Authority {
 public:
  static absl::StatusOr<Authority> Open(Env env, const std::string& data_directory,
                                        ByteView controller_id);

  const std::string& ca_pem() const { return ca_.certificate_pem; }
  const Hash256& ca_fingerprint() const { return fingerprint_; }
  const rpc::CertifiedKey& server() const { return server_; }
  std::string server_certificate_path() const { return directory_ + "/server.pem"; }
  std::string server_key_path() const { return directory_ + "/server.key"; }

  absl::StatusOr<std::string> SignAgent(const AgentId& agent, const std::string& csr_pem) const;
  absl::StatusOr<std::string> SignRecovery(const std::string& csr_pem) const;

 private:
  Authority(Env env, std::string directory, Bytes controller_id)
      : env_(env), directory_(std::move(directory)), controller_id_(std::move(controller_id)) {}
  absl::Status LoadOrMakeCa();
  absl::Status LoadOrMakeServer();
  absl::StatusOr<std::string> Sign(const std::string& csr_pem, const std::string& uri,
                                   absl::Duration life) const;

  Env env_;
  std::string directory_;
  Bytes controller_id_;
  rpc::CertifiedKey ca_;
  rpc::CertifiedKey server_;
  Hash256 fingerprint_;
};

}  // namespace holdfast::daemon
