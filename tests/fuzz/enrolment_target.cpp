#include "common/base/error.h"
#include "common/enrolment/enrolment_json.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {

// Each of the documents of enrolment; what is accepted is the same when it was written again.
void Enrolment(ByteView input) {
  const auto asked = enrolment::DecodeTokenRequest(input);
  if (asked.ok()) {
    HOLDFAST_CHECK(!asked->agent_id.IsZero() && !asked->token_id.empty());
    const std::string json = enrolment::Encode(*asked);
    HOLDFAST_CHECK(enrolment::Encode(enrolment::DecodeTokenRequest(json).value()) == json);
  } else {
    HOLDFAST_CHECK(CodeOf(asked.status()) == 6052 || CodeOf(asked.status()) == 6020);
  }
  const auto recovery = enrolment::DecodeRecoveryRequest(input);
  if (recovery.ok()) {
    const std::string json = enrolment::Encode(*recovery);
    HOLDFAST_CHECK(enrolment::Encode(enrolment::DecodeRecoveryRequest(json).value()) == json);
  }
  const auto grant = enrolment::DecodeGrant(input);
  if (grant.ok()) {
    HOLDFAST_CHECK(grant->agent_port >= 1 && grant->agent_port <= 65'535);
    const std::string json = enrolment::Encode(*grant);
    HOLDFAST_CHECK(enrolment::Encode(enrolment::DecodeGrant(json).value()) == json);
  }
  const absl::Status refusal = enrolment::DecodeRefusal(input, 403);
  HOLDFAST_CHECK(ExitCodeOf(refusal) >= 1 && ExitCodeOf(refusal) <= 12);
  for (const std::string& text : {MessageOf(refusal), HintOf(refusal)}) {
    for (const char c : text) HOLDFAST_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
  HOLDFAST_CHECK(!enrolment::DecodeRefusal(enrolment::EncodeRefusal(refusal), 403).ok());
}

}  // namespace holdfast::fuzz
