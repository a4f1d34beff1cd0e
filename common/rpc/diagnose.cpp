#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <memory>

#include "common/base/error.h"
#include "common/rpc/openssl_handles.h"
#include "common/rpc/tls.h"
#include "fmt/format.h"

namespace holdfast::rpc {
namespace {

struct ContextDelete {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, ContextDelete>;

constexpr int kTimeoutMs = 5'000;
constexpr int kProbes = 3;
constexpr int kBetweenProbesMs = 300;

absl::StatusOr<Context> MakeContext(const TlsIdentity& identity) {
  Context context(SSL_CTX_new(TLS_client_method()));
  const auto read = [](ByteView text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  };
  X509* authority =
      PEM_read_bio_X509(read(identity.authority_pem).get(), nullptr, nullptr, nullptr);
  X509* own = PEM_read_bio_X509(read(identity.certificate_pem).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key =
      PEM_read_bio_PrivateKey(read(identity.key_pem.view()).get(), nullptr, nullptr, nullptr);
  const bool good = authority && own && key &&
                    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority) == 1 &&
                    SSL_CTX_use_certificate(context.get(), own) == 1 &&
                    SSL_CTX_use_PrivateKey(context.get(), key) == 1;
  X509_free(authority);
  X509_free(own);
  EVP_PKEY_free(key);
  if (!good) {
    ERR_clear_error();
    return Error(ErrorKind::kPermission, 6013, "unable to use our certificate and key");
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  constexpr unsigned char kH2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kH2, sizeof kH2);
  return context;
}

// Repeats a BIO step until it is done, failed or out of time.
template <typename Step>
bool Drive(BIO* bio, Step step, long* result) {
  for (int waited = 0; waited < kTimeoutMs;) {
    *result = step();
    if (*result > 0 || !BIO_should_retry(bio)) return true;
    int fd = -1;
    BIO_get_fd(bio, &fd);
    pollfd poll_fd{fd, static_cast<short>(BIO_should_read(bio) ? POLLIN : POLLOUT), 0};
    ::poll(&poll_fd, 1, 100);
    waited += 100;
  }
  return false;
}

absl::Status Explain(SSL* ssl, const std::string& address, absl::Time now) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    const std::string clock = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone());
    return Error(ErrorKind::kPermission, 6016,
                 fmt::format("unable to trust the controller at '{}': its certificate is not "
                             "acceptable: {} (this host's clock says {})",
                             address, X509_verify_cert_error_string(verified), clock),
                 "Is this the controller that enrolled this agent? If it was set up anew, enrol "
                 "again; if the clock is wrong, set it.");
  }
  const unsigned long error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    return Error(ErrorKind::kPermission, 6017,
                 fmt::format("unable to log in to the controller at '{}': it refused our "
                             "certificate ({})",
                             address, ERR_reason_error_string(error)),
                 "See 'holdfast agent list' on the controller; enrol this host again if it was "
                 "removed.");
  }
  return Error(ErrorKind::kUnreachable, 6018,
               fmt::format("unable to reach the controller at '{}': what answers there is not a "
                           "holdfast controller (no TLS)",
                           address),
               "Check the address and port in the agent's configuration.");
}

enum class Probe { kWorks, kHungUp };

// One connection with a whole handshake: kHungUp when the other side, having proved who it is, ends
// it without a word.
absl::StatusOr<Probe> ProbeOnce(const std::string& address, SSL_CTX* context, absl::Time now) {
  ERR_clear_error();
  Bio bio(BIO_new_connect(address.c_str()));
  BIO_set_nbio(bio.get(), 1);
  long result = 0;
  const bool in_time = Drive(
      bio.get(), [&] { return BIO_do_connect(bio.get()); }, &result);
  if (!in_time || result <= 0) {
    const std::string cause = in_time ? "connection refused or name not found" : "no answer in 5 s";
    ERR_clear_error();
    return Error(ErrorKind::kUnreachable, 6019,
                 fmt::format("unable to reach the controller at '{}': {}", address, cause),
                 "Is the controller running, and do name and port reach it from here?");
  }
  BIO* tls = BIO_new_ssl(context, 1);
  SSL* ssl = nullptr;
  BIO_get_ssl(tls, &ssl);
  SSL_set1_host(ssl, kServerName);
  SSL_set_tlsext_host_name(ssl, kServerName);
  Bio stack(BIO_push(tls, bio.release()));
  const bool shaken = Drive(
      stack.get(), [&] { return BIO_do_handshake(stack.get()); }, &result);
  if (!shaken || result <= 0) return Explain(ssl, address, now);
  // TLS 1.3: a server that refuses our certificate says so only after our handshake is done.
  char byte = 0;
  const bool answered = Drive(
      stack.get(), [&] { return static_cast<long>(BIO_read(stack.get(), &byte, 1)); }, &result);
  if (!answered || result > 0) return Probe::kWorks;
  if (ERR_peek_last_error() != 0) {
    absl::Status alert = Explain(ssl, address, now);
    if (KindOf(alert) == ErrorKind::kPermission) return alert;
  }
  ERR_clear_error();
  return Probe::kHungUp;
}

}  // namespace

absl::Status DiagnoseConnection(const std::string& address, const TlsIdentity& identity,
                                absl::Time now) {
  RETURN_IF_ERROR(CheckClientIdentity(identity, now));
  ERR_clear_error();
  ASSIGN_OR_RETURN(const Context context, MakeContext(identity));
  // gRPC hangs up on a certificate that it refuses, without an alert. A controller that is stopping
  // hangs up too, but takes no further connections.
  for (int i = 0; i < kProbes; ++i) {
    if (i > 0) ::poll(nullptr, 0, kBetweenProbesMs);
    ASSIGN_OR_RETURN(const Probe probe, ProbeOnce(address, context.get(), now));
    if (probe == Probe::kWorks) return absl::OkStatus();
  }
  const std::string clock = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone());
  return Error(ErrorKind::kPermission, 6017,
               fmt::format("unable to log in to the controller at '{}': it ended the connection "
                           "right after it saw our certificate, {} times (this host's clock says "
                           "{})",
                           address, kProbes, clock),
               "Look at the controller's log and at its clock; enrol this host again if its "
               "certificate is refused.");
}

}  // namespace holdfast::rpc
