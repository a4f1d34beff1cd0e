// The section `http` of controller.yaml.
//
//   http:
//     listen: 127.0.0.1:7445          # the default
//     tls: {certificate: server.pem, key: server.key}   # relative paths begin beside
//     controller.yaml token_file: http.token          # or token: ${credential:holdfast_http.token}
//     allow_plaintext: false          # on an address that others reach, without tls
// Hides:      YAML.
// Threading:  pure function.
// Errors:     kUsage with file, line and column; an address that others reach needs tls, or the
//             word that somebody else sees to it.
#pragma once

#include <optional>

#include "common/config/config.h"
#include "controller/http/http_server.h"

namespace holdfast::daemon {

// nullopt: there is no such section, and nobody listens. `directory` is that of the file.
absl::StatusOr<std::optional<http::HttpOptions>> ReadHttp(FileSystem& fs, const ConfigNode& root,
                                                          const std::string& directory);

}  // namespace holdfast::daemon
