#include "agent/daemon/enrollment_client.h"

#include <curl/curl.h>

#include <memory>

#include "common/base/error.h"
#include "common/enrolment/enrolment_json.h"
#include "common/rpc/recovery_login.h"
#include "common/rpc/tls.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr long kTimeoutSeconds = 30;
constexpr std::size_t kMaxReplyBytes = 1u << 20;

struct CurlDelete {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Reply {
  long code = 0;
  std::string body;
};

std::size_t Append(char* data, std::size_t size, std::size_t count, void* body) {
  auto* text = static_cast<std::string*>(body);
  if (text->size() + size * count > kMaxReplyBytes) return 0;
  text->append(data, size * count);
  return size * count;
}

// `authority_pem` empty: the peer is not verified, and nothing secret may be sent.
absl::StatusOr<Reply> Call(const std::string& address, const char* path, const std::string& body,
                           const std::string& authority_pem) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  const std::unique_ptr<CURL, CurlDelete> curl(ready ? curl_easy_init() : nullptr);
  if (!curl) return Error(ErrorKind::kFailed, 6064, "unable to start the HTTPS client");
  const std::string url = fmt::format("https://{}{}", address, path);
  Reply reply;
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(curl.get(), option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "https");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT, kTimeoutSeconds);
  set(CURLOPT_WRITEFUNCTION, &Append);
  set(CURLOPT_WRITEDATA, &reply.body);
  std::unique_ptr<curl_slist, ListDelete> headers;
  curl_blob authority{const_cast<char*>(authority_pem.data()), authority_pem.size(),
                      CURL_BLOB_COPY};
  // The address is what the token says; who may answer there is decided by the pinned CA, whose
  // only server this is.
  set(CURLOPT_SSL_VERIFYHOST, 0L);
  if (authority_pem.empty()) {
    set(CURLOPT_SSL_VERIFYPEER, 0L);
  } else {
    set(CURLOPT_CAINFO_BLOB, &authority);
  }
  if (!body.empty()) {
    headers.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    set(CURLOPT_HTTPHEADER, headers.get());
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    set(CURLOPT_POSTFIELDS, body.c_str());
  }
  const CURLcode result = curl_easy_perform(curl.get());
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    return Error(ErrorKind::kPermission, 6063,
                 fmt::format("unable to trust the controller at '{}': its certificate is not from "
                             "the CA that this token names",
                             address));
  }
  if (result != CURLE_OK) {
    return Error(ErrorKind::kUnreachable, 6062,
                 fmt::format("unable to reach the controller at '{}': {}", address,
                             curl_easy_strerror(result)),
                 "Is the controller running, and does its enrolment port reach from here?");
  }
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply.code);
  return reply;
}

absl::StatusOr<std::string> FetchAuthority(const std::string& address, const Hash256& fingerprint) {
  ASSIGN_OR_RETURN(const Reply reply, Call(address, "/v1/ca", "", ""));
  const auto facts = rpc::ReadCertificate(reply.body);
  if (reply.code != 200 || !facts.ok()) {
    return Error(
        ErrorKind::kUnreachable, 6062,
        fmt::format("unable to enrol: what answers at '{}' is not a holdfast controller", address),
        "Check the address in the token.");
  }
  if (facts->fingerprint != fingerprint) {
    return Error(ErrorKind::kPermission, 6063,
                 fmt::format("unable to trust the controller at '{}': its CA has the fingerprint "
                             "{}, the token says {}",
                             address, facts->fingerprint.hex(), fingerprint.hex()),
                 "Somebody may be between this host and the controller; or it was set up anew.");
  }
  return reply.body;
}

absl::StatusOr<CertificateGrant> Exchange(const std::string& address, const Hash256& fingerprint,
                                          const char* path, const std::string& request) {
  CertificateGrant grant;
  ASSIGN_OR_RETURN(grant.authority_pem, FetchAuthority(address, fingerprint));
  ASSIGN_OR_RETURN(const Reply reply, Call(address, path, request, grant.authority_pem));
  if (reply.code != 200) return enrolment::DecodeRefusal(reply.body, reply.code);
  ASSIGN_OR_RETURN(const enrolment::Grant given, enrolment::DecodeGrant(reply.body));
  grant.certificate_pem = given.certificate_pem;
  grant.controller_id = given.controller_id;
  const std::string host =
      given.advertise.empty() ? address.substr(0, address.rfind(':')) : given.advertise;
  grant.agent_address = fmt::format("{}:{}", host, given.agent_port);
  return grant;
}

}  // namespace

absl::StatusOr<CertificateGrant> RequestEnrollment(const EnrollRequest& request) {
  return Exchange(request.address, request.ca_fingerprint, "/v1/enroll",
                  enrolment::Encode(enrolment::TokenRequest{request.token_id, request.secret,
                                                            request.agent_id, request.agent_name,
                                                            request.csr_pem, request.host}));
}

absl::StatusOr<CertificateGrant> RequestRecovery(const RecoverRequest& request) {
  const auto time_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(request.now));
  const Signature signature =
      Ed25519Sign(request.owner, rpc::RecoverySignedText(request.csr_pem, time_ms));
  return Exchange(request.address, request.ca_fingerprint, "/v1/recover",
                  enrolment::Encode(enrolment::RecoveryRequest{request.csr_pem, time_ms,
                                                               Bytes(signature.view())}));
}

}  // namespace holdfast::daemon
