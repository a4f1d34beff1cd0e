#include "common/enrolment/enrolment_json.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::enrolment {
namespace {

using EnrolmentJson = nlohmann::json;

constexpr std::size_t kToldBytes = 500;  // of a text from elsewhere
constexpr std::uint64_t kMaxPort = 65'535;

absl::StatusOr<EnrolmentJson> ObjectIn(ByteView text) {
  EnrolmentJson json = EnrolmentJson::parse(text, nullptr, false);
  if (json.is_object()) return json;
  return Error(ErrorKind::kUsage, 6052, "the request is not a JSON object");
}

std::string TextOf(const EnrolmentJson& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

Bytes BytesOf(const EnrolmentJson& json, const char* key) {
  return FromHex(TextOf(json, key)).value_or("");
}

std::uint64_t NumberOf(const EnrolmentJson& json, const char* key, std::uint64_t most) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned()) return 0;
  const auto number = found->get<std::uint64_t>();
  return number <= most ? number : 0;
}

std::string Written(const EnrolmentJson& json) {
  return json.dump(-1, ' ', false, EnrolmentJson::error_handler_t::replace);
}

}  // namespace

std::string Encode(const TokenRequest& request) {
  return Written({{"token_id", ToHex(request.token_id)},
                  {"secret", ToHex(request.secret.view())},
                  {"agent_id", request.agent_id.hex()},
                  {"agent_name", request.agent_name},
                  {"csr_pem", request.csr_pem},
                  {"host", request.host}});
}

absl::StatusOr<TokenRequest> DecodeTokenRequest(ByteView text) {
  ASSIGN_OR_RETURN(const EnrolmentJson json, ObjectIn(text));
  TokenRequest request;
  request.token_id = BytesOf(json, "token_id");
  request.secret = SecretBytes::Take(BytesOf(json, "secret"));
  request.agent_id = AgentId::FromHexText(TextOf(json, "agent_id")).value_or(AgentId());
  if (request.token_id.empty() || request.secret.empty() || request.agent_id.IsZero()) {
    return Error(ErrorKind::kPermission, 6020, "the join token is not valid");
  }
  request.agent_name = TextOf(json, "agent_name");
  request.csr_pem = TextOf(json, "csr_pem");
  request.host = TextOf(json, "host");
  return request;
}

std::string Encode(const RecoveryRequest& request) {
  return Written({{"csr_pem", request.csr_pem},
                  {"time_ms", request.time_ms},
                  {"signature", ToHex(request.signature)}});
}

absl::StatusOr<RecoveryRequest> DecodeRecoveryRequest(ByteView text) {
  ASSIGN_OR_RETURN(const EnrolmentJson json, ObjectIn(text));
  return RecoveryRequest{TextOf(json, "csr_pem"),
                         NumberOf(json, "time_ms", std::numeric_limits<std::uint64_t>::max()),
                         BytesOf(json, "signature")};
}

std::string Encode(const Grant& grant) {
  return Written({{"certificate_pem", grant.certificate_pem},
                  {"ca_pem", grant.authority_pem},
                  {"controller_id", ToHex(grant.controller_id)},
                  {"agent_port", grant.agent_port},
                  {"advertise", grant.advertise}});
}

absl::StatusOr<Grant> DecodeGrant(ByteView text) {
  const auto object = ObjectIn(text);
  const EnrolmentJson json = object.ok() ? *object : EnrolmentJson::object();
  Grant grant;
  grant.certificate_pem = TextOf(json, "certificate_pem");
  grant.authority_pem = TextOf(json, "ca_pem");
  grant.controller_id = BytesOf(json, "controller_id");
  grant.agent_port = static_cast<int>(NumberOf(json, "agent_port", kMaxPort));
  grant.advertise = TextOf(json, "advertise");
  if (grant.certificate_pem.empty() || grant.agent_port == 0 || grant.controller_id.empty()) {
    return Error(ErrorKind::kFailed, 6066,
                 "unable to enrol: the controller's answer is incomplete");
  }
  return grant;
}

std::string EncodeRefusal(const absl::Status& refusal) {
  return Written({{"error", MessageOf(refusal)},
                  {"hint", HintOf(refusal)},
                  {"code", CodeOf(refusal)},
                  {"exit", ExitCodeOf(refusal)}});
}

absl::Status DecodeRefusal(ByteView text, long http_code) {
  const auto object = ObjectIn(text);
  const EnrolmentJson json = object.ok() ? *object : EnrolmentJson::object();
  const auto kind = NumberOf(json, "exit", static_cast<std::uint64_t>(ErrorKind::kPermission));
  const auto code = NumberOf(json, "code", 9999);
  const std::string said = Escaped(TextOf(json, "error"), kToldBytes);
  const std::string hint = Escaped(TextOf(json, "hint"), kToldBytes);
  return Error(
      kind == 0 ? ErrorKind::kPermission : static_cast<ErrorKind>(kind),
      code == 0 ? 6065 : static_cast<int>(code),
      fmt::format("unable to enrol: {}", said.empty() ? fmt::format("HTTP {}", http_code) : said),
      hint.empty() ? "Make a new token with 'holdfast enroll'." : hint);
}

}  // namespace holdfast::enrolment
