// What an S3 service answered instead of what was asked for, and what that means here.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
// Hides:      XML, the codes of several vendors.
// Invariants: texts of the other side are escaped and cut before they are told.
// Threading:  pure functions.
// Errors made here: 5100 the service fails or is not reached (kUnreachable), 5101 it refuses
//   (kPermission), 5102 the bucket is elsewhere or the settings are wrong (kUsage), 5103 the answer
//   is not what it says (kIntegrity), 5104 no such object (kNotFound), 5105 the object is archived.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast::s3 {

struct Reply {
  long status = 0;
  std::map<std::string, std::string> header;  // names in lower case
  std::string body;
};

struct Refusal {
  std::string code;  // "NoSuchKey"; empty: none was given
  std::string message;
  std::string region;    // where the bucket is, if told
  std::string endpoint;  // where to ask instead, if told
};

// Of an XML body with <Error> at its root; empty when it is none.
Refusal ParseRefusal(std::string_view body);
// A 200 whose body is an <Error> (a failure found after the answer had begun).
bool IsHiddenFailure(const Reply& reply);
// Another attempt may succeed.
bool MayPass(const Reply& reply);
// `what`: "unable to read 'packs/…'"; `region` is the configured one.
absl::Status StatusOf(const Reply& reply, std::string_view what, std::string_view region);

struct ListedObject {
  std::string key;
  std::uint64_t size_bytes = 0;
};
struct Listing {
  std::vector<ListedObject> objects;
  std::vector<std::string> prefixes;  // of deeper keys, each ending in the delimiter
  std::string next;                   // continuation token; empty: that was all
};
// kIntegrity 5103 for a body that is not an answer to ListObjectsV2.
absl::StatusOr<Listing> ParseListing(std::string_view body);

}  // namespace holdfast::s3
