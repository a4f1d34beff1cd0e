#include "controller/daemon/http_config.h"

#include "common/base/error.h"
#include "controller/daemon/host_port.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t kLeastTokenBytes = 16;

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

absl::StatusOr<std::string> PathIn(const ConfigNode& tls, std::string_view key,
                                   const std::string& directory) {
  ASSIGN_OR_RETURN(const std::string path, tls.Text(key));
  if (path.empty()) return tls.Find(key)->Refuse("this is no path");
  return path[0] == '/' ? path : JoinPath(directory, path);
}

}  // namespace

absl::StatusOr<std::optional<http::HttpOptions>> ReadHttp(FileSystem& fs, const ConfigNode& root,
                                                          const std::string& directory) {
  const auto node = root.Find("http");
  if (!node) return std::optional<http::HttpOptions>();
  RETURN_IF_ERROR(node->CheckKeys({"listen", "tls", "token", "token_file", "allow_plaintext"}));
  http::HttpOptions options;
  HostPort listen{options.host, options.port};
  RETURN_IF_ERROR(ReadHostPort(*node, "listen", &listen));
  options.host = listen.host;
  options.port = listen.port;
  if (const auto tls = node->Find("tls")) {
    RETURN_IF_ERROR(tls->CheckKeys({"certificate", "key"}, {"certificate", "key"}));
    ASSIGN_OR_RETURN(options.certificate_path, PathIn(*tls, "certificate", directory));
    ASSIGN_OR_RETURN(options.key_path, PathIn(*tls, "key", directory));
  }
  ASSIGN_OR_RETURN(const bool allow_plaintext, node->Bool("allow_plaintext", false));
  if (options.certificate_path.empty() && !IsLoopback(options.host) && !allow_plaintext) {
    return node->Find("listen")->Refuse(
        "others reach this address, and there is no tls",
        "Set tls, or allow_plaintext: true when a proxy or a private network sees to it.");
  }
  ASSIGN_OR_RETURN(auto token, node->Secret(fs, "token"));
  if (token) {
    options.token = *std::move(token);
    if (options.token.size() < kLeastTokenBytes) {
      return node->Refuse("the token has fewer than 16 characters",
                          "Make one with: openssl rand -hex 32");
    }
  }
  return std::optional<http::HttpOptions>(std::move(options));
}

}  // namespace holdfast::daemon
