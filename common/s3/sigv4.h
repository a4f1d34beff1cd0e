// Signatures of requests to an S3 service: AWS Signature Version 4, in the Authorization header.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// Hides:      the canonical request, the derived key.
// Invariants: every header of the request is signed; what is signed is what is sent: EncodedTarget
//             is the only form of path and query.
// Threading:  pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/crypto/secret.h"

namespace holdfast::s3 {

struct Credentials {
  std::string access_key_id;
  SecretBytes secret_access_key;
};

struct Request {
  std::string method;                         // "GET"
  std::string host;                           // with the port unless it is the scheme's own
  std::string path = "/";                     // raw bytes, begins with '/'
  std::map<std::string, std::string> query;   // raw
  std::map<std::string, std::string> header;  // names in lower case; without host
  std::string payload_sha256;                 // hexadecimal
};

// All but A-Z a-z 0-9 - . _ ~ as %XX; '/' too unless `keep_slash`.
std::string UriEncode(std::string_view raw, bool keep_slash);
// "/bucket/a%20b?list-type=2&prefix=x", in canonical order.
std::string EncodedTarget(const Request& request);

// Adds x-amz-date, x-amz-content-sha256 and authorization.
void Sign(Request* request, const Credentials& credentials, std::string_view region,
          absl::Time now);

}  // namespace holdfast::s3
