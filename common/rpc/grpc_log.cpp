#include "common/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <optional>
#include <string_view>

#include "common/base/bytes.h"
#include "common/log/log.h"
#include "common/log/throttle.h"
#include "fmt/format.h"

namespace holdfast::rpc {
namespace {

constexpr std::string_view kHandshake = "Handshake failed with fatal error";

struct Taken {
  Clock* clock = nullptr;
  std::function<void(const std::string&)> on_refused;
  log::Throttle throttle{absl::Minutes(1)};
};

// gRPC takes a plain function, so what it needs lies here; never destroyed, as late threads log.
Taken& State() {
  static auto* const taken = new Taken;
  return *taken;
}

// "Handshake failed with fatal error SSL_ERROR_SSL: error:0A000086:SSL routines::certificate
// verify failed." → "certificate verify failed"
std::string ReasonIn(std::string_view message) {
  const std::size_t colon = message.rfind(':');
  std::string_view reason = colon == std::string_view::npos ? message : message.substr(colon + 1);
  while (reason.starts_with(' ')) reason.remove_prefix(1);
  while (reason.ends_with('.')) reason.remove_suffix(1);
  return Escaped(reason, 200);
}

void Take(gpr_log_func_args* args) {
  Taken& taken = State();
  const std::string_view message = args->message;
  if (message.starts_with(kHandshake)) {
    taken.on_refused(ReasonIn(message));
    return;
  }
  if (args->severity != GPR_LOG_SEVERITY_ERROR) return;
  const auto others =
      taken.throttle.Admit(fmt::format("{}:{}", args->file, args->line), taken.clock->Monotonic());
  if (!others) return;
  log::Warn("gRPC: {}{}", Escaped(message, 500), log::MoreLikeIt(*others));
}

}  // namespace

void TakeGrpcLog(Clock& clock, std::function<void(const std::string& reason)> on_refused) {
  Taken& taken = State();
  taken.clock = &clock;
  taken.on_refused = std::move(on_refused);
  gpr_set_log_function(Take);
}

}  // namespace holdfast::rpc
