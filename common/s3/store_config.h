// The 'store' section of a configuration: the bucket that holds the store.
//
//   store:
//     s3:
//       endpoint: https://fra1.digitaloceanspaces.com
//       bucket: acme-holdfast
//       region: fra1
//       prefix: production/            # default: none
//       access_key_id: DO00EXAMPLE
//       secret_access_key_file: s3.secret   # or ${env:…}, ${credential:…}
//       addressing: path               # or host: the bucket's name before the endpoint's
//       ca_file: /etc/ssl/own-ca.pem   # default: the system's
//       immutable: 30d                 # Object Lock (compliance) on all that is written
// Hides:     YAML. Threading: pure functions. Errors: kUsage with file, line and column.
#pragma once

#include <optional>

#include "common/config/config.h"
#include "common/s3/client.h"

namespace holdfast::s3 {

// nullopt: there is no such section; the store is a directory.
absl::StatusOr<std::optional<Options>> ReadStoreConfig(FileSystem& fs, const ConfigNode& root);
// Also the same secret.
bool AreSame(const Options& a, const Options& b);

}  // namespace holdfast::s3
