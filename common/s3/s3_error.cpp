#include "common/s3/s3_error.h"

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "absl/strings/numbers.h"
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr std::string_view kPassing[] = {"SlowDown",         "InternalError",
                                         "RequestTimeout",   "ServiceUnavailable",
                                         "Throttling",       "ThrottlingException",
                                         "BadDigest",        "XAmzContentSHA256Mismatch",
                                         "OperationAborted", "ConditionalRequestConflict"};

// DTDs and entities of their own are not expanded: pugixml knows none.
bool Parse(std::string_view body, pugi::xml_document* document) {
  return static_cast<bool>(document->load_buffer(body.data(), body.size()));
}

std::string Told(const Refusal& refusal, long status) {
  if (refusal.code.empty()) return fmt::format("the service answered {}", status);
  return fmt::format("the service answered {} {}{}{}", status, Escaped(refusal.code, 60),
                     refusal.message.empty() ? "" : ": ", Escaped(refusal.message));
}

absl::Status Elsewhere(const Refusal& refusal, std::string_view what, std::string_view told,
                       std::string_view region) {
  std::string hint = "Write the endpoint and the region of the bucket into 'store'.";
  if (!refusal.region.empty()) {
    hint = fmt::format("The bucket is in region '{}', not '{}': write region: {}",
                       Escaped(refusal.region, 60), region, Escaped(refusal.region, 60));
  } else if (!refusal.endpoint.empty()) {
    hint = fmt::format(
        "The bucket is served at '{}': write that as endpoint, or try "
        "addressing: host.",
        Escaped(refusal.endpoint, 100));
  }
  return Error(ErrorKind::kUsage, 5102, fmt::format("{}: {}", what, told), std::move(hint));
}

std::string HintOfRefusal(const std::string& code) {
  if (code == "RequestTimeTooSkewed") {
    return "The clock of this host differs from the service's by more than 15 minutes: set it.";
  }
  if (code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch") {
    return "Was the key rotated? Write the new one into the files named under 'store' and start "
           "again.";
  }
  if (code == "NoSuchBucket") return "Make the bucket, or correct its name under 'store'.";
  return "The key needs s3:GetObject, PutObject, DeleteObject and ListBucket on this bucket.";
}

}  // namespace

Refusal ParseRefusal(std::string_view body) {
  Refusal refusal;
  pugi::xml_document document;
  if (!Parse(body, &document)) return refusal;
  const pugi::xml_node error = document.child("Error");
  refusal.code = error.child_value("Code");
  refusal.message = error.child_value("Message");
  refusal.region = error.child_value("Region");
  refusal.endpoint = error.child_value("Endpoint");
  return refusal;
}

bool IsHiddenFailure(const Reply& reply) {
  return reply.status == 200 && reply.body.find("<Error>") != std::string::npos &&
         !ParseRefusal(reply.body).code.empty();
}

bool MayPass(const Reply& reply) {
  if (reply.status >= 500 || reply.status == 429 || reply.status == 408) {
    return reply.status != 501;
  }
  if (IsHiddenFailure(reply)) return true;
  if (reply.status != 400 && reply.status != 409) return false;
  const std::string code = ParseRefusal(reply.body).code;
  return std::find(std::begin(kPassing), std::end(kPassing), code) != std::end(kPassing);
}

absl::Status StatusOf(const Reply& reply, std::string_view what, std::string_view region) {
  Refusal refusal = ParseRefusal(reply.body);
  if (refusal.region.empty()) {
    const auto header = reply.header.find("x-amz-bucket-region");
    if (header != reply.header.end()) refusal.region = header->second;
  }
  const std::string told = Told(refusal, reply.status);
  const auto error = [&](ErrorKind kind, int code, std::string hint) {
    return Error(kind, code, fmt::format("{}: {}", what, told), std::move(hint));
  };
  if (refusal.code == "InvalidObjectState") {
    return error(ErrorKind::kUnreachable, 5105,
                 "The object was moved to an archive class: restore (thaw) it there, then try "
                 "again, and take the lifecycle rule off this bucket.");
  }
  const bool elsewhere = (reply.status >= 300 && reply.status < 400) ||
                         refusal.code == "AuthorizationHeaderMalformed" ||
                         refusal.code == "IllegalLocationConstraintException";
  if (elsewhere) return Elsewhere(refusal, what, told, region);
  if (reply.status == 404 && refusal.code != "NoSuchBucket") {
    return error(ErrorKind::kNotFound, 5104, "");
  }
  if (reply.status == 401 || reply.status == 403 || refusal.code == "NoSuchBucket") {
    return error(ErrorKind::kPermission, 5101, HintOfRefusal(refusal.code));
  }
  if (MayPass(reply)) {
    return error(ErrorKind::kUnreachable, 5100, "Look at the status page of the storage provider.");
  }
  return error(ErrorKind::kUsage, 5102,
               "Compare 'store' with what the storage provider documents.");
}

absl::StatusOr<Listing> ParseListing(std::string_view body) {
  pugi::xml_document document;
  const pugi::xml_node root =
      Parse(body, &document) ? document.child("ListBucketResult") : pugi::xml_node();
  if (!root) {
    return Error(ErrorKind::kIntegrity, 5103,
                 "unable to list the bucket: the answer is not a ListBucketResult",
                 "Is the endpoint under 'store' an S3 service?");
  }
  Listing listing;
  for (const pugi::xml_node object : root.children("Contents")) {
    ListedObject& listed = listing.objects.emplace_back();
    listed.key = object.child_value("Key");
    if (listed.key.empty() || !absl::SimpleAtoi(object.child_value("Size"), &listed.size_bytes)) {
      return Error(ErrorKind::kIntegrity, 5103,
                   "unable to list the bucket: an object without key or size");
    }
  }
  for (const pugi::xml_node prefix : root.children("CommonPrefixes")) {
    listing.prefixes.emplace_back(prefix.child_value("Prefix"));
  }
  if (std::string_view(root.child_value("IsTruncated")) == "true") {
    listing.next = root.child_value("NextContinuationToken");
    if (listing.next.empty()) {
      return Error(ErrorKind::kIntegrity, 5103,
                   "unable to list the bucket: the list is cut and has no continuation");
    }
  }
  return listing;
}

}  // namespace holdfast::s3
