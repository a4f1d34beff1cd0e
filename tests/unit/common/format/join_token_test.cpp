// Goal:   a join token comes back as it was made, and no mistyped one is ever used.
// Method: every single-character change, loss and addition of a real token is tried.
#include "common/format/join_token.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

struct Made {
  JoinToken token;
  KeyPair owner;
};

Made MakeToken() {
  test::SeededRng rng(7);
  Made made;
  made.owner = Ed25519Generate(rng);
  const KeyPair grant_key = Ed25519Generate(rng);
  made.token.enrollment_address = "backup-1.example.org:8443";
  made.token.ca_fingerprint = rng.DrawFixed<Hash256>();
  made.token.token_id = rng.Draw(16);
  made.token.secret = SecretBytes::Take(rng.Draw(16));
  made.token.owner = made.owner.public_key;
  made.token.grant =
      MakeEnrolmentGrant(made.owner, grant_key.public_key, "db-1", 1'800'000'000'000);
  made.token.grant_seed = grant_key.secret;
  return made;
}

TEST(JoinTokenTest, ComesBackWhole) {
  const Made made = MakeToken();
  const std::string text = EncodeJoinToken(made.token);
  EXPECT_EQ(text.rfind("hfjoin1.", 0), 0u);
  const auto back = DecodeJoinToken(text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->enrollment_address, made.token.enrollment_address);
  EXPECT_EQ(back->ca_fingerprint, made.token.ca_fingerprint);
  EXPECT_EQ(back->token_id, made.token.token_id);
  EXPECT_EQ(back->secret.view(), made.token.secret.view());
  EXPECT_EQ(back->owner, made.owner.public_key);
  EXPECT_EQ(back->grant_seed.view(), made.token.grant_seed.view());
  EXPECT_EQ(back->grant.agent_name, "db-1");
  EXPECT_EQ(back->grant.expires_at_ms, 1'800'000'000'000u);

  // The grant still certifies an agent: the seed belongs to the grant's key.
  const KeyPair grant_key = Ed25519FromSeed(back->grant_seed);
  AgentIdentity identity;
  identity.agent_name = "db-1";
  const Bytes document = SignAgentIdentity(identity, back->grant, grant_key);
  EXPECT_TRUE(OpenAgentIdentity(document, back->owner).ok());
}

TEST(JoinTokenTest, LineBreaksOfATerminalDoNotMatter) {
  std::string text = EncodeJoinToken(MakeToken().token);
  for (std::size_t at = 80; at < text.size(); at += 82) text.insert(at, "\r\n");
  EXPECT_TRUE(DecodeJoinToken("  " + text + "\n").ok());
}

TEST(JoinTokenTest, EveryMistypedCharacterIsFound) {
  const std::string text = EncodeJoinToken(MakeToken().token);
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : {'A', 'b', '0', '-', '_', '=', '+', '!', '\x1b'}) {
      if (text[i] == other) continue;
      std::string changed = text;
      changed[i] = other;
      const auto result = DecodeJoinToken(changed);
      ASSERT_FALSE(result.ok()) << "position " << i << " to " << other;
      EXPECT_EQ(ExitCodeOf(result.status()), 2);
    }
    std::string cut = text;
    cut.erase(i, 1);
    ASSERT_FALSE(DecodeJoinToken(cut).ok()) << "without position " << i;
    std::string longer = text;
    longer.insert(i, 1, text[i]);
    ASSERT_FALSE(DecodeJoinToken(longer).ok()) << "doubled position " << i;
    ASSERT_FALSE(DecodeJoinToken(text.substr(0, i)).ok()) << "first " << i;
  }
}

TEST(JoinTokenTest, FieldsOfAnotherLengthAreRefused) {
  const auto change = [](auto&& how) {
    Made made = MakeToken();
    how(made.token);
    return DecodeJoinToken(EncodeJoinToken(made.token)).status();
  };
  for (const absl::Status& status :
       {change([](JoinToken& token) { token.token_id.pop_back(); }),
        change([](JoinToken& token) { token.secret = SecretBytes(Bytes(17, 's')); }),
        change([](JoinToken& token) { token.grant_seed = SecretBytes(); }),
        change([](JoinToken& token) { token.enrollment_address.clear(); })}) {
    EXPECT_EQ(ExitCodeOf(status), 2);
    EXPECT_NE(MessageOf(status).find("do not fit this version"), std::string::npos) << status;
  }
}

TEST(JoinTokenTest, OtherTextsAreRefusedInPlainWords) {
  for (const std::string& text :
       {std::string(), std::string("hfjoin1."), std::string("hello"), std::string(100'000, 'a')}) {
    const auto result = DecodeJoinToken(text);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(MessageOf(result.status()).find("unable to read the join token"), std::string::npos);
    EXPECT_NE(HintOf(result.status()).find("holdfast enroll"), std::string::npos);
  }
}

}  // namespace
}  // namespace holdfast
