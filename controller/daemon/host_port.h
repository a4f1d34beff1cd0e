// An address in controller.yaml: host:port.
//
// Threading: values and pure functions. Errors: kUsage with file, line and column.
#pragma once

#include <string>

#include "common/config/config.h"

namespace holdfast::daemon {

struct HostPort {
  std::string host;
  int port = 0;
  std::string text() const { return host + ":" + std::to_string(port); }
};

// Leaves `out` as it is when the key is missing.
absl::Status ReadHostPort(const ConfigNode& map, std::string_view key, HostPort* out);

}  // namespace holdfast::daemon
