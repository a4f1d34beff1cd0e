#include "controller/daemon/authority.h"

#include "common/base/error.h"

namespace holdfast::daemon {
namespace {

constexpr absl::Duration kServerLife = absl::Hours(24 * 365 * 5);
constexpr absl::Duration kRenewBefore = absl::Hours(24 * 365);
constexpr absl::Duration kClockSlack = absl::Hours(24);

}  // namespace

absl::StatusOr<Authority> Authority::Open(Env env, const std::string& data_directory,
                                          ByteView controller_id) {
  Authority authority(env, JoinPath(data_directory, "identity"), Bytes(controller_id));
  RETURN_IF_ERROR(env.fs.MakeDirectories(authority.directory_));
  RETURN_IF_ERROR(authority.LoadOrMakeCa());
  RETURN_IF_ERROR(authority.LoadOrMakeServer());
  return authority;
}

absl::Status Authority::LoadOrMakeCa() {
  const std::string certificate_path = directory_ + "/ca.pem";
  const std::string key_path = directory_ + "/ca.key";
  // The certificate is written last: without it the key was never used.
  if (env_.fs.Exists(certificate_path)) {
    ASSIGN_OR_RETURN(ca_.certificate_pem, env_.fs.ReadFile(certificate_path));
    ASSIGN_OR_RETURN(Bytes key, env_.fs.ReadSecret(key_path));
    ca_.key_pem = SecretBytes::Take(std::move(key));
  } else {
    ASSIGN_OR_RETURN(ca_, rpc::MakeAuthority("Holdfast CA " + ToHex(controller_id_).substr(0, 8),
                                             env_.clock.Now()));
    RETURN_IF_ERROR(env_.fs.WriteAtomically(key_path, ca_.key_pem.view(), 0600));
    RETURN_IF_ERROR(env_.fs.WriteAtomically(certificate_path, ca_.certificate_pem, 0644));
  }
  RETURN_IF_ERROR(rpc::CheckIdentity({ca_.certificate_pem, ca_.certificate_pem, ca_.key_pem},
                                     env_.clock.Now()));
  ASSIGN_OR_RETURN(const rpc::CertificateFacts facts, rpc::ReadCertificate(ca_.certificate_pem));
  fingerprint_ = facts.fingerprint;
  return absl::OkStatus();
}

absl::Status Authority::LoadOrMakeServer() {
  const absl::Time now = env_.clock.Now();
  if (env_.fs.Exists(server_certificate_path())) {
    ASSIGN_OR_RETURN(server_.certificate_pem, env_.fs.ReadFile(server_certificate_path()));
    ASSIGN_OR_RETURN(Bytes key, env_.fs.ReadSecret(server_key_path()));
    server_.key_pem = SecretBytes::Take(std::move(key));
    ASSIGN_OR_RETURN(const rpc::CertificateFacts facts,
                     rpc::ReadCertificate(server_.certificate_pem));
    if (facts.not_after - now > kRenewBefore) {
      return rpc::CheckIdentity({ca_.certificate_pem, server_.certificate_pem, server_.key_pem},
                                now);
    }
  } else {
    server_.key_pem = rpc::MakeKeyPem();
    RETURN_IF_ERROR(env_.fs.WriteAtomically(server_key_path(), server_.key_pem.view(), 0600));
  }
  ASSIGN_OR_RETURN(const std::string csr, rpc::MakeRequest(server_.key_pem));
  ASSIGN_OR_RETURN(server_.certificate_pem,
                   rpc::SignRequest(ca_, csr,
                                    {rpc::ServerUri(controller_id_), rpc::CertificateUsage::kServer,
                                     now - kClockSlack, now + kServerLife}));
  return env_.fs.WriteAtomically(server_certificate_path(), server_.certificate_pem, 0644);
}

absl::StatusOr<std::string> Authority::Sign(const std::string& csr_pem, const std::string& uri,
                                            absl::Duration life) const {
  const absl::Time now = env_.clock.Now();
  return rpc::SignRequest(ca_, csr_pem,
                          {uri, rpc::CertificateUsage::kClient, now - kClockSlack, now + life});
}

absl::StatusOr<std::string> Authority::SignAgent(const AgentId& agent,
                                                 const std::string& csr_pem) const {
  return Sign(csr_pem, rpc::AgentUri(controller_id_, agent), kAgentCertificateLife);
}

absl::StatusOr<std::string> Authority::SignRecovery(const std::string& csr_pem) const {
  return Sign(csr_pem, rpc::RecoveryUri(controller_id_), kRecoveryCertificateLife);
}

}  // namespace holdfast::daemon
