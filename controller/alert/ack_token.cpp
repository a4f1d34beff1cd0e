#include "controller/alert/ack_token.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kMaxToken = 512;
constexpr std::string_view kPurpose = "holdfast acknowledge\n";

absl::Status NotGood() {
  return Error(ErrorKind::kPermission, 5510,
               "unable to acknowledge the alert: the link is not good, or too old",
               "Use 'holdfast alert ack' on the controller's host.");
}

}  // namespace

absl::StatusOr<AckTokens> AckTokens::Open(Env env, const std::string& path) {
  if (!env.fs.Exists(path)) {
    RETURN_IF_ERROR(env.fs.WriteAtomically(path, env.rng.Draw(32), 0600));
  }
  ASSIGN_OR_RETURN(Bytes key, env.fs.ReadSecret(path));
  const SecretBytes secret = SecretBytes::Take(std::move(key));
  if (secret.size() != 32) {
    return Error(ErrorKind::kIntegrity, 5511,
                 fmt::format("unable to read '{}': not 32 bytes", path),
                 "Remove it: links in alerts that were sent are not good any more then.");
  }
  return AckTokens(secret.view());
}

std::string AckTokens::MacOf(const std::string& payload) const {
  return ToHex(key_.Mac(kPurpose, payload).view().substr(0, kMacBytes));
}

std::string AckTokens::Make(const Acknowledgement& acknowledgement) const {
  const std::string payload =
      fmt::format("{}/{}/{}", acknowledgement.alert, absl::ToUnixSeconds(acknowledgement.expires),
                  acknowledgement.channel);
  return fmt::format("{}.{}", absl::WebSafeBase64Escape(payload), MacOf(payload));
}

absl::StatusOr<Acknowledgement> AckTokens::Check(std::string_view token, absl::Time now) const {
  const std::size_t dot = token.rfind('.');
  std::string payload;
  if (token.size() > kMaxToken || dot == std::string_view::npos ||
      !absl::WebSafeBase64Unescape(std::string(token.substr(0, dot)), &payload) ||
      !ConstantTimeEqual(token.substr(dot + 1), MacOf(payload))) {
    return NotGood();
  }
  const std::vector<std::string> parts = absl::StrSplit(payload, absl::MaxSplits('/', 2));
  std::int64_t expires = 0;
  Acknowledgement acknowledgement;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &acknowledgement.alert) ||
      !absl::SimpleAtoi(parts[1], &expires)) {
    return NotGood();
  }
  acknowledgement.channel = parts[2];
  acknowledgement.expires = absl::FromUnixSeconds(expires);
  if (now >= acknowledgement.expires) return NotGood();
  return acknowledgement;
}

}  // namespace holdfast::alert
