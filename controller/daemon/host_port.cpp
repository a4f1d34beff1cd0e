#include "controller/daemon/host_port.h"

#include "absl/strings/numbers.h"
#include "common/base/error.h"

namespace holdfast::daemon {

absl::Status ReadHostPort(const ConfigNode& map, std::string_view key, HostPort* out) {
  if (!map.Has(key)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string text, map.Text(key));
  const std::size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return map.Find(key)->Refuse("this is not host:port", "Write for example 127.0.0.1:7443.");
  }
  out->host = text.substr(0, colon);
  out->port = port;
  return absl::OkStatus();
}

}  // namespace holdfast::daemon
