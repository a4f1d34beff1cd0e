// Goal: agent and controller understand each other's JSON, and whatever else comes is an error that
// says what it is, never a crash.
#include "common/enrolment/enrolment_json.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace holdfast::enrolment {
namespace {

TokenRequest Asked() {
  return {
      Bytes(16, 't'), SecretBytes(Bytes(16, 's')), *AgentId::From(Bytes(16, 'a')), "web-1", "CSR",
      "host"};
}

TEST(EnrolmentJson, EachDocumentComesBack) {
  const TokenRequest asked = DecodeTokenRequest(Encode(Asked())).value();
  EXPECT_EQ(asked.token_id, Asked().token_id);
  EXPECT_EQ(asked.secret.view(), Asked().secret.view());
  EXPECT_EQ(asked.agent_id, Asked().agent_id);
  EXPECT_EQ(asked.agent_name, "web-1");
  EXPECT_EQ(asked.csr_pem, "CSR");
  EXPECT_EQ(asked.host, "host");
  const RecoveryRequest recovery =
      DecodeRecoveryRequest(Encode(RecoveryRequest{"CSR", ~0ull, Bytes(64, 'x')})).value();
  EXPECT_EQ(recovery.csr_pem, "CSR");
  EXPECT_EQ(recovery.time_ms, ~0ull);
  EXPECT_EQ(recovery.signature, Bytes(64, 'x'));
  const Grant grant =
      DecodeGrant(Encode(Grant{"PEM", "CA", Bytes(16, 'c'), 7443, "backup-1"})).value();
  EXPECT_EQ(grant.certificate_pem, "PEM");
  EXPECT_EQ(grant.authority_pem, "CA");
  EXPECT_EQ(grant.controller_id, Bytes(16, 'c'));
  EXPECT_EQ(grant.agent_port, 7443);
  EXPECT_EQ(grant.advertise, "backup-1");
}

TEST(EnrolmentJson, ARefusalKeepsKindCodeAndHint) {
  const absl::Status refusal = DecodeRefusal(
      EncodeRefusal(Error(ErrorKind::kConflict, 6021, "taken", "Choose another.")), 403);
  EXPECT_EQ(KindOf(refusal), ErrorKind::kConflict);
  EXPECT_EQ(CodeOf(refusal), 6021);
  EXPECT_EQ(MessageOf(refusal), "unable to enrol: taken");
  EXPECT_EQ(HintOf(refusal), "Choose another.");
}

TEST(EnrolmentJson, ARefusalThatIsNoneIsOneAllTheSame) {
  for (const char* text : {"", "null", "[1]", "{}", "{\"exit\":0,\"code\":-1,\"error\":7}",
                           "{\"exit\":13,\"code\":99999999999}", "<html>"}) {
    const absl::Status refusal = DecodeRefusal(text, 502);
    EXPECT_EQ(KindOf(refusal), ErrorKind::kPermission) << text;
    EXPECT_EQ(CodeOf(refusal), 6065) << text;
    EXPECT_EQ(MessageOf(refusal), "unable to enrol: HTTP 502") << text;
  }
  const absl::Status hostile = DecodeRefusal("{\"error\":\"\\u001b[2J\\nx\"}", 403);
  EXPECT_EQ(MessageOf(hostile).find('\x1b'), std::string::npos);
  EXPECT_EQ(MessageOf(hostile).find('\n'), std::string::npos);
}

TEST(EnrolmentJson, WhatIsNoRequestIsRefused) {
  for (const char* text : {"", "x", "[]", "7", "{\"a\":", "\xff"}) {
    EXPECT_EQ(CodeOf(DecodeTokenRequest(text).status()), 6052) << text;
    EXPECT_EQ(CodeOf(DecodeRecoveryRequest(text).status()), 6052) << text;
    EXPECT_EQ(CodeOf(DecodeGrant(text).status()), 6066) << text;
  }
  const std::string good = Encode(Asked());
  for (const char* key : {"token_id", "secret", "agent_id"}) {
    std::string without = good;
    without.replace(without.find(key), 1, "x");
    EXPECT_EQ(CodeOf(DecodeTokenRequest(without).status()), 6020) << key;
  }
  for (const char* port : {"0", "-1", "65536", "\"7443\"", "7443.5", "18446744073709551615"}) {
    const std::string json = std::string("{\"certificate_pem\":\"P\",\"controller_id\":\"00\",") +
                             "\"agent_port\":" + port + "}";
    EXPECT_EQ(CodeOf(DecodeGrant(json).status()), 6066) << port;
  }
}

TEST(EnrolmentJson, ANameOfAnyBytesIsSent) {
  TokenRequest asked = Asked();
  asked.host = "\xff\xfehost";
  EXPECT_EQ(DecodeTokenRequest(Encode(asked))->host, "\xef\xbf\xbd\xef\xbf\xbdhost");
}

}  // namespace
}  // namespace holdfast::enrolment
