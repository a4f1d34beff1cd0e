#include "common/base/error.h"
#include "common/s3/s3_error.h"
#include "common/s3/sigv4.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

Bytes UriDecoded(std::string_view text) {
  Bytes raw;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      raw += text[i];
      continue;
    }
    const auto byte = FromHex(text.substr(i + 1, 2));
    HOLDFAST_CHECK(byte.has_value());
    raw += *byte;
    i += 2;
  }
  return raw;
}

}  // namespace

// The first byte chooses the status of the answer, the rest is its body.
void S3(ByteView input) {
  static constexpr long kStatuses[] = {200, 206, 301, 307, 400, 403, 404, 409, 412, 429, 500, 503};
  s3::Reply reply;
  reply.status = 200;
  if (!input.empty()) {
    reply.status = kStatuses[static_cast<unsigned char>(input[0]) % std::size(kStatuses)];
    reply.body = input.substr(1);
  }
  const absl::Status status = s3::StatusOf(reply, "unable to read 'x'", "region");
  HOLDFAST_CHECK(!status.ok() && CodeOf(status) != 0);
  const std::string told = MessageOf(status) + HintOf(status);
  HOLDFAST_CHECK(told.size() < 4000);
  for (const char c : told) HOLDFAST_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  if (s3::IsHiddenFailure(reply)) HOLDFAST_CHECK(s3::MayPass(reply));

  const auto listing = s3::ParseListing(reply.body);
  if (listing.ok()) {
    for (const s3::ListedObject& object : listing->objects) HOLDFAST_CHECK(!object.key.empty());
  } else {
    HOLDFAST_CHECK(KindOf(listing.status()) == ErrorKind::kIntegrity);
  }

  const std::string encoded = s3::UriEncode(input, false);
  HOLDFAST_CHECK(encoded.find_first_of("/ =&?#") == std::string::npos);
  HOLDFAST_CHECK(UriDecoded(encoded) == input);
}

}  // namespace holdfast::fuzz
