#include "common/rpc/tls.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/rpc/openssl_handles.h"
#include "fmt/format.h"

namespace holdfast::rpc {
namespace {

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Request = std::unique_ptr<X509_REQ, Deleter<X509_REQ, X509_REQ_free>>;

absl::Status BadPem(std::string_view what) {
  return Error(ErrorKind::kPermission, 6010, fmt::format("unable to read {}: not valid PEM", what),
               "Bring the file back from a copy of this host, or enrol the host again.");
}

Bio Memory(ByteView text = {}) {
  Bio bio(text.empty() ? BIO_new(BIO_s_mem())
                       : BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  HOLDFAST_CHECK(bio != nullptr);
  return bio;
}

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Key ReadKey(ByteView pem) {
  return Key(PEM_read_bio_PrivateKey(Memory(pem).get(), nullptr, nullptr, nullptr));
}

Certificate ReadX509(ByteView pem) {
  return Certificate(PEM_read_bio_X509(Memory(pem).get(), nullptr, nullptr, nullptr));
}

std::string PemOf(X509* certificate) {
  Bio bio = Memory();
  HOLDFAST_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return TextOf(bio.get());
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  HOLDFAST_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void SetRandomSerial(X509* certificate) {
  unsigned char bytes[16];
  HOLDFAST_CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  bytes[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(bytes, sizeof bytes, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
}

void SetTimes(X509* certificate, absl::Time not_before, absl::Time not_after) {
  ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(not_after));
}

void SetName(X509* certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return absl::FromCivil(absl::CivilSecond(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                           parts.tm_hour, parts.tm_min, parts.tm_sec),
                         absl::UTCTimeZone());
}

std::string OnlyUri(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string uri;
  int count = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    ++count;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return count == 1 ? uri : "";
}

Hash256 PinOf(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  HOLDFAST_CHECK(size > 0);
  const Hash256 pin =
      Sha256(ByteView(reinterpret_cast<char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return pin;
}

Hash256 FingerprintOf(X509* certificate) {
  Hash256 print;
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(print.data()), &size);
  return print;
}

std::string UriOf(ByteView controller_id, std::string_view tail) {
  return fmt::format("spiffe://holdfast/{}/{}", ToHex(controller_id), tail);
}

}  // namespace

SecretBytes MakeKeyPem() {
  const Key key(EVP_EC_gen("P-256"));
  HOLDFAST_CHECK(key != nullptr);
  Bio bio = Memory();
  HOLDFAST_CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                               nullptr) == 1);
  return SecretBytes::Take(TextOf(bio.get()));
}

absl::StatusOr<CertifiedKey> MakeAuthority(const std::string& name, absl::Time now) {
  CertifiedKey authority;
  authority.key_pem = MakeKeyPem();
  const Key key = ReadKey(authority.key_pem.view());
  const Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  SetRandomSerial(certificate.get());
  SetName(certificate.get(), name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  SetTimes(certificate.get(), now - absl::Hours(24), now + absl::Hours(24 * 365 * 20));
  X509_set_pubkey(certificate.get(), key.get());
  AddExtension(certificate.get(), certificate.get(), NID_basic_constraints,
               "critical,CA:TRUE,pathlen:0");
  AddExtension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) {
    return Error(ErrorKind::kFailed, 6011, "unable to sign the CA certificate");
  }
  authority.certificate_pem = PemOf(certificate.get());
  return authority;
}

absl::StatusOr<std::string> MakeRequest(const SecretBytes& key_pem) {
  const Key key = ReadKey(key_pem.view());
  if (!key) return BadPem("the private key");
  const Request request(X509_REQ_new());
  X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  X509_REQ_set_pubkey(request.get(), key.get());
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return Error(ErrorKind::kFailed, 6011, "unable to sign the certificate request");
  }
  Bio bio = Memory();
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return TextOf(bio.get());
}

absl::StatusOr<std::string> SignRequest(const CertifiedKey& authority, const std::string& csr_pem,
                                        const SignOptions& options) {
  const Certificate issuer = ReadX509(authority.certificate_pem);
  const Key issuer_key = ReadKey(authority.key_pem.view());
  if (!issuer || !issuer_key) return BadPem("the CA");
  const Request request(PEM_read_bio_X509_REQ(Memory(csr_pem).get(), nullptr, nullptr, nullptr));
  if (!request) return BadPem("the certificate request");
  EVP_PKEY* public_key = X509_REQ_get0_pubkey(request.get());
  if (public_key == nullptr || X509_REQ_verify(request.get(), public_key) != 1 ||
      EVP_PKEY_get_base_id(public_key) != EVP_PKEY_EC) {
    return Error(ErrorKind::kPermission, 6012,
                 "unable to sign the certificate request: its signature or key type is wrong");
  }
  const Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  SetRandomSerial(certificate.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  SetName(certificate.get(),
          options.usage == CertificateUsage::kServer ? kServerName : "holdfast client");
  SetTimes(certificate.get(), options.not_before, options.not_after);
  X509_set_pubkey(certificate.get(), public_key);
  const bool server = options.usage == CertificateUsage::kServer;
  AddExtension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  AddExtension(certificate.get(), issuer.get(), NID_ext_key_usage,
               server ? "serverAuth" : "clientAuth");
  AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name,
               "URI:" + options.uri +
                   (server ? std::string(",DNS:") + kServerName + ",DNS:localhost,IP:127.0.0.1"
                           : std::string()));
  if (X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) == 0) {
    return Error(ErrorKind::kFailed, 6011, "unable to sign the certificate");
  }
  return PemOf(certificate.get());
}

absl::StatusOr<CertificateFacts> ReadCertificate(const std::string& pem) {
  const Certificate certificate = ReadX509(pem);
  if (!certificate) return BadPem("the certificate");
  CertificateFacts facts;
  facts.uri = OnlyUri(certificate.get());
  facts.key_pin = PinOf(certificate.get());
  facts.fingerprint = FingerprintOf(certificate.get());
  facts.not_before = TimeOf(X509_get0_notBefore(certificate.get()));
  facts.not_after = TimeOf(X509_get0_notAfter(certificate.get()));
  facts.is_authority = X509_check_ca(certificate.get()) == 1;
  return facts;
}

absl::Status CheckIdentity(const TlsIdentity& identity, absl::Time now) {
  const Certificate certificate = ReadX509(identity.certificate_pem);
  const Certificate authority = ReadX509(identity.authority_pem);
  const Key key = ReadKey(identity.key_pem.view());
  if (!certificate) return BadPem("our certificate");
  if (!authority) return BadPem("the CA certificate");
  if (!key) return BadPem("our private key");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Error(ErrorKind::kPermission, 6013,
                 "unable to use our certificate: it does not fit the private key beside it",
                 "Restore both from the same moment, or enrol this host again.");
  }
  EVP_PKEY* issuer_key = X509_get0_pubkey(authority.get());
  if (issuer_key == nullptr || X509_verify(certificate.get(), issuer_key) != 1) {
    return Error(ErrorKind::kPermission, 6014,
                 "unable to use our certificate: it was not signed by the CA beside it",
                 "Enrol this host again.");
  }
  const absl::Time not_before = TimeOf(X509_get0_notBefore(certificate.get()));
  const absl::Time not_after = TimeOf(X509_get0_notAfter(certificate.get()));
  if (now < not_before || now > not_after) {
    const auto text = [](absl::Time time) {
      return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
    };
    return Error(ErrorKind::kPermission, 6015,
                 fmt::format("unable to use our certificate: it is valid from {} to {}, and this "
                             "host's clock says {}",
                             text(not_before), text(not_after), text(now)),
                 "Check the clock; if the certificate is really too old, enrol this host again.");
  }
  return absl::OkStatus();
}

absl::Status CheckClientIdentity(const TlsIdentity& identity, absl::Time now) {
  RETURN_IF_ERROR(CheckIdentity(identity, now));
  const Certificate certificate = ReadX509(identity.certificate_pem);
  if (X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_CLIENT, 0) == 1) {
    return absl::OkStatus();
  }
  return Error(ErrorKind::kPermission, 6024,
               "unable to use our certificate: it is not one for clients",
               "A certificate of the controller does not serve an agent; enrol this host.");
}

std::string AgentUri(ByteView controller_id, const AgentId& agent) {
  return UriOf(controller_id, "agent/" + agent.hex());
}
std::string RecoveryUri(ByteView controller_id) { return UriOf(controller_id, "recovery"); }
std::string ServerUri(ByteView controller_id) { return UriOf(controller_id, "controller"); }

std::optional<PeerUri> ParseUri(const std::string& uri) {
  constexpr std::string_view kPrefix = "spiffe://holdfast/";
  std::string_view rest = uri;
  if (!rest.starts_with(kPrefix)) return std::nullopt;
  rest.remove_prefix(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  PeerUri result;
  const auto controller = FromHex(rest.substr(0, slash));
  if (!controller) return std::nullopt;
  result.controller_id = *controller;
  rest.remove_prefix(slash + 1);
  if (rest == "recovery") {
    result.kind = PeerUri::Kind::kRecovery;
  } else if (rest == "controller") {
    result.kind = PeerUri::Kind::kServer;
  } else if (rest.starts_with("agent/")) {
    const auto agent = AgentId::FromHexText(rest.substr(6));
    if (!agent) return std::nullopt;
    result.agent = *agent;
  } else {
    return std::nullopt;
  }
  return result;
}

}  // namespace holdfast::rpc
