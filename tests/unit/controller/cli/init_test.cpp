// Goal:   init gives the controller exactly one owner and the operator every key, and whatever is
//         cut short leaves nothing half-done.
// Method: a fake controller refuses, loses its answer, goes away; a file system fails at every
// step.
#include "common/crypto/crypto.h"
#include "controller/cli/key_home.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;
using test::FakeClient;

class InitTest : public CliTest {};

TEST_F(InitTest, MakesKeysKitAndRecipients) {
  Init();
  EXPECT_TRUE(client_->installation.initialized);
  EXPECT_EQ(HomeFiles(),
            (std::vector<std::string>{"installation.json", "operator.key", "owner.key"}));
  EXPECT_EQ(client_->installation.owner_public_key, kit_keys_.owner_public.bytes());

  const auto list = OpenRecipientList(client_->installation.recipients, kit_keys_.owner_public);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->recipients.size(), 2u);
  EXPECT_EQ(list->version, 1u);
  EXPECT_EQ(list->recipients[0].role, RecipientRole::kRecovery);
  EXPECT_EQ(list->recipients[0].key, X25519FromSecret(kit_keys_.recovery_secret).public_key);
  const KeyHome home(RealEnv(), home_);
  EXPECT_EQ(list->recipients[1].role, RecipientRole::kOperator);
  EXPECT_EQ(list->recipients[1].key, home.OperatorKey()->public_key);
  EXPECT_EQ(home.OwnerKey("correct horse battery")->public_key, kit_keys_.owner_public);
  EXPECT_EQ(ExitCodeOf(home.OwnerKey("wrong").status()), 12);
  EXPECT_EQ(home.Pinned()->controller_id, client_->installation.controller_id);
}

TEST_F(InitTest, NoSecretIsPrintedOrReadableByOthers) {
  Init();
  const std::string recovery = EncodeKeyText(kRecoveryKeyPrefix, kit_keys_.recovery_secret.view());
  EXPECT_EQ((out() + err()).find(recovery.substr(8, 5)), std::string::npos);
  for (const char* name : {"owner.key", "operator.key", "installation.json"}) {
    EXPECT_TRUE(RealFileSystem().ReadSecret(JoinPath(home_, name)).ok()) << name;
  }
  EXPECT_TRUE(RealFileSystem().ReadSecret(kit_).ok());
  const Bytes sealed = *RealFileSystem().ReadFile(JoinPath(home_, "owner.key"));
  EXPECT_EQ(sealed.find(kit_keys_.owner_seed.view()), std::string::npos);
}

TEST_F(InitTest, ASecondInitIsRefusedAndChangesNothing) {
  Init();
  const Bytes owner_key = *RealFileSystem().ReadFile(JoinPath(home_, "owner.key"));
  EXPECT_EQ(Run({"init", "--recovery-confirmed", "--kit", directory_ / "second.txt"}), 7);
  EXPECT_FALSE(Exists(directory_ / "second.txt"));
  EXPECT_EQ(*RealFileSystem().ReadFile(JoinPath(home_, "owner.key")), owner_key);

  variables_["HOLDFAST_HOME"] = directory_ / "other";  // another person, same controller
  EXPECT_EQ(Run({"init", "--recovery-confirmed", "--kit", directory_ / "second.txt"}), 7);
  EXPECT_FALSE(Exists(directory_ / "second.txt"));
  EXPECT_FALSE(Exists(directory_ / "other/owner.key"));
}

TEST_F(InitTest, ARefusedInitLeavesNothing) {
  client_->initialize_error = Error(ErrorKind::kPermission, 5009, "not for you");
  EXPECT_EQ(Run(InitArguments()), 12);
  EXPECT_TRUE(HomeFiles().empty());
  EXPECT_FALSE(Exists(kit_));
}

TEST_F(InitTest, ALostAnswerIsAskedAgain) {
  client_->initialize_error = FakeClient::Away();
  client_->accept_before_error = true;  // it accepted; only the answer was lost
  Init();
  EXPECT_TRUE(Exists(JoinPath(home_, "installation.json")));
}

TEST_F(InitTest, ALostRequestLeavesNothing) {
  client_->initialize_error = FakeClient::Away();
  EXPECT_EQ(Run(InitArguments()), 1);
  EXPECT_TRUE(HomeFiles().empty());
  EXPECT_FALSE(Exists(kit_));
}

TEST_F(InitTest, WhenTheControllerIsGoneTheNextInitFinishes) {
  client_->initialize_error = FakeClient::Away();
  client_->accept_before_error = true;
  client_->reachable_after_error = false;
  EXPECT_EQ(Run(InitArguments()), 8);
  EXPECT_NE(err().find("not known"), std::string::npos);
  EXPECT_TRUE(Exists(JoinPath(home_, "installation.pending.json")));
  EXPECT_FALSE(Exists(JoinPath(home_, "installation.json")));

  client_->reachable = true;
  client_->initialize_error = absl::OkStatus();
  EXPECT_EQ(Run({"init"}), 0) << err();
  EXPECT_EQ(HomeFiles(),
            (std::vector<std::string>{"installation.json", "operator.key", "owner.key"}));
  const auto kit = ParseRecoveryKit(*RealFileSystem().ReadFile(kit_));
  EXPECT_EQ(kit->owner_public.bytes(), client_->installation.owner_public_key);
}

TEST_F(InitTest, AnUnacceptedLeftoverIsReplaced) {
  client_->initialize_error = FakeClient::Away();
  client_->accept_before_error = true;
  client_->reachable_after_error = false;
  EXPECT_EQ(Run(InitArguments()), 8);
  client_->reachable = true;
  client_->initialize_error = absl::OkStatus();
  client_->installation.initialized = false;  // the controller was made anew meanwhile
  client_->installation.owner_public_key.clear();
  Init();
  EXPECT_EQ(client_->installation.owner_public_key, kit_keys_.owner_public.bytes());
}

TEST_F(InitTest, TheLeftoverOfAnotherControllerIsKept) {
  client_->initialize_error = FakeClient::Away();
  client_->accept_before_error = true;
  client_->reachable_after_error = false;
  EXPECT_EQ(Run(InitArguments()), 8);
  client_->reachable = true;
  client_->installation.controller_id = Bytes(16, '\x77');
  EXPECT_EQ(Run(InitArguments()), 7);
  EXPECT_TRUE(Exists(JoinPath(home_, "owner.key")));
}

TEST_F(InitTest, ForeignFilesAreNeverTouched) {
  WriteSecret("kit.txt", "mine");
  EXPECT_EQ(Run(InitArguments()), 7);
  EXPECT_EQ(*RealFileSystem().ReadFile(kit_), "mine");
  ASSERT_TRUE(RealFileSystem().Remove(kit_).ok());

  ASSERT_TRUE(RealFileSystem().WriteAtomically(JoinPath(home_, "owner.key"), "mine").ok());
  EXPECT_EQ(Run(InitArguments()), 7);
  EXPECT_EQ(*RealFileSystem().ReadFile(JoinPath(home_, "owner.key")), "mine");
  EXPECT_FALSE(client_->installation.initialized);
  EXPECT_FALSE(Exists(kit_));
}

TEST_F(InitTest, AKitThatCannotBeWrittenLeavesNothing) {
  EXPECT_EQ(Run({"init", "--recovery-confirmed", "--kit", directory_ / "no/such/dir/kit.txt"}), 6);
  EXPECT_TRUE(HomeFiles().empty());
  EXPECT_FALSE(client_->installation.initialized);
}

TEST_F(InitTest, TheRecoveryKeyIsTypedBack) {
  terminal_.input = true;
  variables_.erase("HOLDFAST_PASSPHRASE_FILE");
  terminal_.secrets = {"a long passphrase", "a long passphrase"};
  terminal_.answer = [this](const std::string&) {
    const std::string shown = err();
    const std::size_t begin = shown.find("hf-rec1-");
    const auto groups =
        KeyTextGroups(kRecoveryKeyPrefix, shown.substr(begin, shown.find('\n', begin) - begin));
    std::string typed = groups.at(2) + " " + groups.back();
    for (char& c : typed) c = static_cast<char>(std::tolower(c));
    return typed;
  };
  EXPECT_EQ(Run({"init", "--kit", kit_}), 0) << err();
  EXPECT_TRUE(Exists(kit_));
}

TEST_F(InitTest, AWrongAnswerChangesNothing) {
  terminal_.input = true;
  terminal_.answer = [](const std::string&) { return "AAAAA BBBBB"; };
  EXPECT_EQ(Run({"init", "--kit", kit_}), 4);
  EXPECT_TRUE(HomeFiles().empty());
  EXPECT_FALSE(client_->installation.initialized);
}

TEST_F(InitTest, PassphrasesAreCheckedBeforeAnything) {
  terminal_.input = true;
  variables_.erase("HOLDFAST_PASSPHRASE_FILE");
  terminal_.secrets = {"a long passphrase", "another passphrase"};
  EXPECT_EQ(Run(InitArguments()), 2);
  terminal_.secrets = {"short", "short"};
  EXPECT_EQ(Run(InitArguments()), 2);
  terminal_.input = false;
  EXPECT_EQ(Run(InitArguments()), 2);
  EXPECT_NE(err().find("--passphrase-file"), std::string::npos);
  ASSERT_TRUE(
      RealFileSystem().WriteAtomically(directory_ / "open", "correct horse battery", 0644).ok());
  EXPECT_EQ(Run({"init", "--recovery-confirmed", "--passphrase-file", directory_ / "open"}), 12);
  EXPECT_TRUE(HomeFiles().empty());
}

TEST_F(InitTest, InAScriptTheKeyMustBeConfirmedByAFlag) {
  EXPECT_EQ(Run({"init", "--kit", kit_}), 2);
  EXPECT_NE(err().find("--recovery-confirmed"), std::string::npos);
  EXPECT_FALSE(Exists(kit_));
}

TEST_F(InitTest, JsonHoldsNoSecret) {
  EXPECT_EQ(Run({"init", "--recovery-confirmed", "--kit", kit_, "--json"}), 0) << err();
  const Json json = OutJson();
  EXPECT_EQ(json["recovery_kit"], kit_);
  EXPECT_EQ(json["owner_public_key"], ToHex(client_->installation.owner_public_key));
  EXPECT_EQ(out().find("hf-"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::cli
