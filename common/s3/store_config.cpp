#include "common/s3/store_config.h"

#include <algorithm>

#include "common/base/error.h"

namespace holdfast::s3 {
namespace {

constexpr absl::Duration kLongestLock = absl::Hours(24 * 366 * 10);

// RFC 1123 labels, as the services ask for.
bool IsBucketName(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

absl::Status ReadEndpoint(const ConfigNode& node, Options* options) {
  ASSIGN_OR_RETURN(options->endpoint, node.Text("endpoint"));
  const std::string& endpoint = options->endpoint;
  const std::size_t scheme = endpoint.find("://");
  const bool known = endpoint.starts_with("https://") || endpoint.starts_with("http://");
  if (!known || endpoint.size() == scheme + 3 || !IsPlain(endpoint) ||
      endpoint.find_first_of("/?#@", scheme + 3) != std::string::npos) {
    return node.Find("endpoint")
        ->Refuse("the endpoint is not https://HOST or https://HOST:PORT",
                 "The bucket's name stands in 'bucket'.");
  }
  return absl::OkStatus();
}

absl::Status ReadPlace(const ConfigNode& node, Options* options) {
  ASSIGN_OR_RETURN(options->bucket, node.Text("bucket"));
  if (!IsBucketName(options->bucket)) {
    return node.Find("bucket")->Refuse("a bucket's name has 3 to 63 characters of a-z 0-9 - .");
  }
  ASSIGN_OR_RETURN(options->region, node.Text("region"));
  if (options->region.empty() || !IsPlain(options->region)) {
    return node.Find("region")->Refuse("this is not a region");
  }
  ASSIGN_OR_RETURN(options->prefix, node.Text("prefix", ""));
  if (!IsPlain(options->prefix) || options->prefix.starts_with("/") ||
      options->prefix.find("//") != std::string::npos || options->prefix.size() > 500) {
    return node.Find("prefix")->Refuse("a prefix does not begin with '/' and has no spaces");
  }
  if (!options->prefix.empty() && !options->prefix.ends_with("/")) options->prefix += '/';
  ASSIGN_OR_RETURN(const std::string addressing, node.Text("addressing", "path"));
  if (addressing != "path" && addressing != "host") {
    return node.Find("addressing")->Refuse("this is neither path nor host");
  }
  options->bucket_in_host = addressing == "host";
  return absl::OkStatus();
}

absl::Status ReadKeys(FileSystem& fs, const ConfigNode& node, Options* options) {
  ASSIGN_OR_RETURN(options->credentials.access_key_id, node.Text("access_key_id"));
  if (options->credentials.access_key_id.empty() || !IsPlain(options->credentials.access_key_id)) {
    return node.Find("access_key_id")->Refuse("this is not an access key id");
  }
  ASSIGN_OR_RETURN(auto secret, node.Secret(fs, "secret_access_key"));
  if (!secret || secret->empty()) {
    return node.Refuse("the secret access key is missing",
                       "Write it into a file of mode 0600 and name that as "
                       "secret_access_key_file.");
  }
  options->credentials.secret_access_key = *std::move(secret);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<Options>> ReadStoreConfig(FileSystem& fs, const ConfigNode& root) {
  const auto store = root.Find("store");
  if (!store) return std::nullopt;
  RETURN_IF_ERROR(store->CheckKeys({"s3"}, {"s3"}));
  const ConfigNode node = *store->Find("s3");
  RETURN_IF_ERROR(node.CheckKeys(
      {"endpoint", "bucket", "region", "prefix", "access_key_id", "secret_access_key",
       "secret_access_key_file", "addressing", "ca_file", "immutable"},
      {"endpoint", "bucket", "region", "access_key_id"}));
  Options options;
  RETURN_IF_ERROR(ReadEndpoint(node, &options));
  RETURN_IF_ERROR(ReadPlace(node, &options));
  RETURN_IF_ERROR(ReadKeys(fs, node, &options));
  ASSIGN_OR_RETURN(options.ca_file, node.Text("ca_file", ""));
  if (!options.ca_file.empty() && options.ca_file[0] != '/') {
    return node.Find("ca_file")->Refuse("this is not an absolute path");
  }
  ASSIGN_OR_RETURN(options.immutable_for, node.Duration("immutable", absl::ZeroDuration()));
  if (options.immutable_for > kLongestLock) {
    return node.Find("immutable")->Refuse("that is longer than ten years");
  }
  return options;
}

bool AreSame(const Options& a, const Options& b) {
  return a.endpoint == b.endpoint && a.bucket == b.bucket && a.region == b.region &&
         a.prefix == b.prefix && a.bucket_in_host == b.bucket_in_host && a.ca_file == b.ca_file &&
         a.immutable_for == b.immutable_for &&
         a.credentials.access_key_id == b.credentials.access_key_id &&
         ConstantTimeEqual(a.credentials.secret_access_key.view(),
                           b.credentials.secret_access_key.view());
}

}  // namespace holdfast::s3
