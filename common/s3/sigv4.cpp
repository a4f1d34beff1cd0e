#include "common/s3/sigv4.h"

#include "common/crypto/crypto.h"
#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string EncodedQuery(const Request& request) {
  std::string text;
  for (const auto& [name, value] : request.query) {
    if (!text.empty()) text += '&';
    text += UriEncode(name, false) + "=" + UriEncode(value, false);
  }
  return text;
}

SecretBytes Mac(ByteView key, std::string_view text) {
  return SecretBytes(HmacKey(key).Mac(text).view());
}

SecretBytes SigningKey(const Credentials& credentials, std::string_view date,
                       std::string_view region) {
  const SecretBytes start =
      SecretBytes::Take("AWS4" + std::string(credentials.secret_access_key.view()));
  SecretBytes key = Mac(start.view(), date);
  for (const std::string_view part :
       {region, std::string_view("s3"), std::string_view("aws4_request")}) {
    key = Mac(key.view(), part);
  }
  return key;
}

}  // namespace

std::string UriEncode(std::string_view raw, bool keep_slash) {
  std::string text;
  text.reserve(raw.size());
  for (const char c : raw) {
    if (IsUnreserved(c) || (c == '/' && keep_slash)) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

std::string EncodedTarget(const Request& request) {
  const std::string path = UriEncode(request.path, true);
  return request.query.empty() ? path : path + "?" + EncodedQuery(request);
}

void Sign(Request* request, const Credentials& credentials, std::string_view region,
          absl::Time now) {
  const std::string time = absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
  const std::string date = time.substr(0, 8);
  request->header["x-amz-date"] = time;
  request->header["x-amz-content-sha256"] = request->payload_sha256;

  std::map<std::string, std::string> signed_headers = request->header;
  signed_headers["host"] = request->host;
  std::string lines;
  std::string names;
  for (const auto& [name, value] : signed_headers) {
    lines += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request->method, UriEncode(request->path, true),
                  EncodedQuery(*request), lines, names, request->payload_sha256);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", date, region);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope, Sha256(canonical).hex());
  const SecretBytes key = SigningKey(credentials, date, region);
  request->header["authorization"] =
      fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm,
                  credentials.access_key_id, scope, names, HmacKey(key.view()).Mac(to_sign).hex());
}

}  // namespace holdfast::s3
