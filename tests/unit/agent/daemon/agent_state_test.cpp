// Goal: an agent is who its identity file says only when that file is whole: no changed byte gives
// it other keys, and an identity of an older release is still read.
#include "agent/daemon/agent_state.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "tests/support/agent_domain.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t kMagicBytes = 8;

class AgentStateTest : public testing::Test {
 protected:
  AgentStateTest() {
    AgentState state;
    state.directory = directory_.path();
    state.keys.identity = agent_.identity;
    state.keys.signing = Ed25519FromSeed(SecretBytes(agent_.signing.secret.view()));
    state.keys.recipient = X25519FromSecret(SecretBytes(agent_.recipient.secret.view()));
    state.keys.owner = agent_.owner.public_key;
    state.keys.secrets = {agent_.secrets.domain, SecretBytes(agent_.secrets.id_key.view()),
                          SecretBytes(agent_.secrets.chunker_key.view())};
    state.identity_document = agent_.identity_document;
    state.controller_id = "controller";
    state.agent_address = "backup-1:7443";
    state.enrollment_address = "backup-1:7444";
    state.tls = {"CA", "PEM", SecretBytes(ByteView("KEY"))};
    EXPECT_TRUE(SaveState(fs_, state).ok());
    file_ = fs_.ReadFile(path_).value();
  }
  absl::StatusOr<AgentState> LoadWith(ByteView identity) {
    EXPECT_TRUE(fs_.WriteAtomically(path_, identity, 0600).ok());
    return LoadState(fs_, directory_.path());
  }
  void ExpectDamaged(ByteView identity, const std::string& what) {
    const auto state = LoadWith(identity);
    EXPECT_EQ(CodeOf(state.status()), 6061) << what;
    EXPECT_EQ(KindOf(state.status()), ErrorKind::kIntegrity) << what;
  }
  // As a release before the sum wrote it.
  Bytes OldFile() const {
    Bytes old = file_.substr(0, file_.size() - Hash256::kSize);
    old[6] = '1';
    return old;
  }

  FileSystem& fs_ = RealFileSystem();
  test::TempDir directory_;
  const std::string path_ = directory_ / "identity";
  test::AgentDomain agent_{3};
  Bytes file_;
};

TEST_F(AgentStateTest, ComesBackAsSaved) {
  for (const Bytes& file : {file_, OldFile()}) {
    const auto state = LoadWith(file);
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_EQ(state->keys.identity.agent_name, "web-1");
    EXPECT_EQ(state->keys.signing.public_key, agent_.signing.public_key);
    EXPECT_EQ(state->keys.recipient.public_key, agent_.recipient.public_key);
    EXPECT_EQ(state->keys.secrets.domain, agent_.secrets.domain);
    EXPECT_EQ(state->keys.secrets.id_key.view(), agent_.secrets.id_key.view());
    EXPECT_EQ(state->keys.secrets.chunker_key.view(), agent_.secrets.chunker_key.view());
    EXPECT_EQ(state->agent_address, "backup-1:7443");
    EXPECT_EQ(state->tls.key_pem.view(), "KEY");
  }
}

TEST_F(AgentStateTest, AnyChangedByteIsDamage) {
  for (std::size_t at = 0; at < file_.size(); ++at) {
    Bytes bad = file_;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    ExpectDamaged(bad, "a flip at " + std::to_string(at));
  }
  for (std::size_t size = 0; size < file_.size(); size += 5) {
    ExpectDamaged(ByteView(file_).substr(0, size), "cut to " + std::to_string(size));
  }
  ExpectDamaged(file_ + "x", "one byte more");
}

TEST_F(AgentStateTest, AnOldFileWithKeysOfAnotherAgentIsDamaged) {
  const auto with = [&](ByteView key, ByteView other) {
    Bytes file = OldFile();
    const std::size_t at = file.rfind(key);
    EXPECT_NE(at, Bytes::npos);
    file.replace(at, key.size(), other);
    return file;
  };
  const test::AgentDomain other(4);
  ExpectDamaged(with(agent_.signing.secret.view(), other.signing.secret.view()), "signing");
  ExpectDamaged(with(agent_.recipient.secret.view(), other.recipient.secret.view()), "recipient");
  ExpectDamaged(with(agent_.secrets.domain.view(), other.secrets.domain.view()), "domain");
}

TEST_F(AgentStateTest, ASecretOfAnotherLengthIsDamage) {
  Bytes file = OldFile();
  const std::size_t at = file.size() - 32 - 4;  // the length of the last field
  file[at] = 31;
  file.pop_back();
  ExpectDamaged(file, "a short chunker key");
  ExpectDamaged(file.substr(0, kMagicBytes), "nothing but the magic");
}

}  // namespace
}  // namespace holdfast::daemon
