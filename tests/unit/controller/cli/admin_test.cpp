// Goal: enrolling, listing and status say what the controller said, and warn of what is missing.
#include "common/base/error.h"
#include "common/format/join_token.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class EnrollTest : public CliTest {};

TEST_F(EnrollTest, TheTokenIsAloneOnStdoutAndCertifiesTheAgent) {
  Init();
  ASSERT_EQ(Run({"enroll", "db-1"}), 0) << err();
  EXPECT_EQ(std::ranges::count(out(), '\n'), 1);
  const auto token = DecodeJoinToken(out());
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->enrollment_address, "backup-1.example.org:8443");
  EXPECT_EQ(token->ca_fingerprint.bytes(), client_->installation.ca_fingerprint);
  EXPECT_EQ(token->owner, kit_keys_.owner_public);
  EXPECT_EQ(token->grant.agent_name, "db-1");
  EXPECT_EQ(token->grant.expires_at_ms,
            static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.now + absl::Minutes(15))));

  ASSERT_EQ(client_->join_requests.size(), 1u);
  const auto& request = client_->join_requests[0];
  EXPECT_EQ(request.token_id, token->token_id);
  EXPECT_EQ(request.secret_hash, Sha256(token->secret.view()));
  EXPECT_EQ(request.agent_name, "db-1");
  EXPECT_EQ(request.lifetime_seconds, 900u);

  AgentIdentity identity;
  identity.agent_name = "db-1";
  const Bytes document =
      SignAgentIdentity(identity, token->grant, Ed25519FromSeed(token->grant_seed));
  EXPECT_TRUE(OpenAgentIdentity(document, kit_keys_.owner_public).ok());
}

TEST_F(EnrollTest, OutputFileAndAddressAndLifetime) {
  Init();
  const std::string file = directory_ / "db-1.token";
  ASSERT_EQ(
      Run({"enroll", "db-1", "--output", file, "--valid-for", "4h", "--address", "10.0.0.5:8443"}),
      0)
      << err();
  EXPECT_EQ(out(), "");
  const auto text = RealFileSystem().ReadSecret(file);  // 0600, or this refuses
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(DecodeJoinToken(*text)->enrollment_address, "10.0.0.5:8443");
  EXPECT_EQ(client_->join_requests[0].lifetime_seconds, 4 * 3600u);
  EXPECT_EQ(Run({"enroll", "db-1", "--output", file}), 7);
}

TEST_F(EnrollTest, RefusesBeforeAskingTheController) {
  EXPECT_EQ(Run({"enroll", "db-1"}), 6) << "before init there are no keys";
  Init();
  EXPECT_EQ(Run({"enroll", "../db"}), 2);
  EXPECT_EQ(Run({"enroll", "db\x1b"}), 2);
  EXPECT_EQ(Run({"enroll", "db-1", "--valid-for", "9e18d"}), 2);
  EXPECT_EQ(Run({"enroll", "db-1", "--valid-for", "8d"}), 2);
  EXPECT_EQ(Run({"enroll", "db-1", "--address", "nowhere"}), 2);
  WriteSecret("wrong", "another passphrase\n");
  EXPECT_EQ(Run({"enroll", "db-1", "--passphrase-file", directory_ / "wrong"}), 12);
  client_->installation.owner_public_key = Bytes(32, '\x55');  // another controller
  EXPECT_EQ(Run({"enroll", "db-1"}), 5);
  EXPECT_TRUE(client_->join_requests.empty());
}

TEST_F(EnrollTest, Json) {
  Init();
  ASSERT_EQ(Run({"enroll", "db-1", "--json"}), 0);
  EXPECT_TRUE(DecodeJoinToken(OutJson()["token"].get<std::string>()).ok());
  EXPECT_EQ(OutJson()["expires_at"], "2026-01-07T02:15:00.000Z");
}

class ListingTest : public CliTest {
 protected:
  ListingTest() {
    AgentInfo db;
    db.name = "db-1";
    db.host = "db-1.example.org";
    db.connected = true;
    db.last_seen_ms = 1'767'751'198'000;
    db.sources = {{SourceId(), "db", "postgres"}};
    AgentInfo web;
    web.name = "web-1\x1b[2J";
    web.last_seen_ms = 1'767'740'400'000;
    AgentInfo old;
    old.name = "old";
    old.removed = true;
    client_->status.agents = {db, web, old};
    client_->AddSource("db", "postgres");
    client_->AddSource("uploads", "files", "web-1");
    client_->AddSummary("db", 56, 1'767'664'800'000);
    client_->AddSummary("db", 57, 1'767'736'800'000).verified_at_ms = 1;
    client_->status.store_bytes = 3ull << 30;
    client_->status.store_free_bytes = 500ull << 30;
    client_->installation.initialized = true;
    client_->installation.started_at_ms = 1'767'751'200'000 - 41ull * 86'400'000;
  }
};

TEST_F(ListingTest, AgentListAndRemove) {
  ASSERT_EQ(Run({"agent", "list"}), 0);
  EXPECT_NE(out().find("db-1   "), std::string::npos) << out();
  EXPECT_NE(out().find("web-1\\x1b[2J"), std::string::npos);
  EXPECT_EQ(out().find("old"), std::string::npos);
  EXPECT_EQ(Run({"agent", "list", "--all"}), 0);
  EXPECT_NE(out().find("removed"), std::string::npos);
  EXPECT_EQ(Run({"agent", "list", "--json"}), 0);
  EXPECT_EQ(OutJson()["agents"].size(), 2u);

  EXPECT_EQ(Run({"agent", "remove", "db-1"}), 4);
  EXPECT_NE(err().find("(db)"), std::string::npos) << err();
  EXPECT_TRUE(client_->removed_agents.empty());
  EXPECT_EQ(Run({"agent", "remove", "db-2", "--yes"}), 6);
  EXPECT_NE(err().find("db-1"), std::string::npos);
  EXPECT_EQ(Run({"agent", "remove", "db-1", "--yes"}), 0);
  EXPECT_EQ(client_->removed_agents, std::vector<std::string>{"db-1"});
}

TEST_F(ListingTest, SourceList) {
  ASSERT_EQ(Run({"source", "list"}), 0);
  EXPECT_NE(out().find("db       postgres  db-1   connected          2  2026-01-06 22:00 UTC"),
            std::string::npos)
      << out();
  EXPECT_NE(out().find("never"), std::string::npos);
  EXPECT_EQ(Run({"source", "list", "--json"}), 0);
  EXPECT_EQ(OutJson()["sources"][0]["snapshots"], 2);
  EXPECT_TRUE(OutJson()["sources"][1]["newest"].is_null());
}

TEST_F(ListingTest, Snapshots) {
  ASSERT_EQ(Run({"snapshots", "db"}), 0);
  const std::size_t newer = out().find("db@57");
  const std::size_t older = out().find("db@56");
  ASSERT_NE(newer, std::string::npos) << out();
  EXPECT_LT(newer, older);
  EXPECT_NE(out().find("1.6 GiB  3.1 MiB  committed · verified"), std::string::npos) << out();
  EXPECT_EQ(Run({"snapshots", "db", "--limit", "1", "--json"}), 0);
  EXPECT_EQ(OutJson()["snapshots"].size(), 1u);
  EXPECT_EQ(OutJson()["snapshots"][0]["seq"], 57);
  EXPECT_EQ(Run({"snapshots", "dd"}), 6);
  client_->snapshots.clear();
  EXPECT_EQ(Run({"snapshots"}), 0);
  EXPECT_EQ(out(), "");
}

TEST_F(ListingTest, StatusWarnsOfWhatIsMissing) {
  client_->status.sources[0].last_error = "role may not read\x1b";
  client_->status.sources[0].last_error_code = 2114;
  client_->status.sources[0].last_error_at_ms = 1'767'751'140'000;
  ASSERT_EQ(Run({"status"}), 0);
  const std::string text = out();
  EXPECT_NE(text.find("up 41d   store 3.0 GiB, 500 GiB free"), std::string::npos) << text;
  EXPECT_NE(text.find("4h00m"), std::string::npos) << text;
  EXPECT_NE(text.find("source 'db' failed 1m00s ago: role may not read\\x1b (HF-2114)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("source 'uploads' has never been backed up"), std::string::npos);
  EXPECT_NE(text.find("agent 'web-1\\x1b[2J' is not connected (last seen 3h00m ago)"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("'old'"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  for (const char* untold : {"BROKEN", " ok", "paused"}) {
    EXPECT_EQ(text.find(untold), std::string::npos) << "shows what nobody knows: " << untold;
  }

  ASSERT_EQ(Run({"status", "--json"}), 0);
  EXPECT_EQ(OutJson()["warnings"].size(), 3u);
  EXPECT_EQ(OutJson()["store"]["free_bytes"], 500ull << 30);
}

TEST_F(ListingTest, StatusNamesWhatIsLost) {
  client_->status.damage.push_back({client_->status.sources[0].source.id, "db", 3, {56, 57}});
  ASSERT_EQ(Run({"status"}), 0);
  EXPECT_NE(out().find("3 chunks are lost or damaged that 2 snapshots of source 'db' need"),
            std::string::npos)
      << out();
  EXPECT_NE(out().find("holdfast backup db"), std::string::npos);
}

TEST_F(ListingTest, Scrub) {
  client_->scrub_report.packs = 7;
  client_->scrub_report.repaired = 1;
  ASSERT_EQ(Run({"scrub"}), 0);
  EXPECT_NE(out().find("read 7 packs"), std::string::npos) << out();
  EXPECT_NE(out().find("repaired from parity: 1 packs"), std::string::npos);
  EXPECT_NE(out().find("nothing is lost"), std::string::npos);
  client_->scrub_report.damaged_packs = {std::string(64, 'a')};
  client_->scrub_report.damage.push_back({SourceId(), "db\x1b", 3, {56, 57}});
  EXPECT_EQ(Run({"scrub", "--all", "--json"}), 5);
  EXPECT_EQ(OutJson()["damage"][0]["seqs"], Json({56, 57}));
  EXPECT_EQ(Run({"scrub", "--all"}), 5);
  EXPECT_NE(out().find("lost: 3 chunks that db\\x1b@56, db\\x1b@57 need"), std::string::npos)
      << out();
  EXPECT_EQ(client_->scrubs.size(), 3u);
  EXPECT_EQ(client_->scrubs[0], OperatorClient::ScrubScope::kRestOfRound);
  EXPECT_EQ(client_->scrubs[2], OperatorClient::ScrubScope::kAll);
}

TEST_F(ListingTest, AnEmptyInstallationSaysWhatToDo) {
  client_->status = {};
  client_->snapshots.clear();
  client_->installation.initialized = false;
  ASSERT_EQ(Run({"status"}), 0);
  EXPECT_NE(out().find("holdfast init"), std::string::npos);
  EXPECT_EQ(Run({"agent", "list"}), 0);
  EXPECT_NE(err().find("holdfast enroll"), std::string::npos);
  EXPECT_EQ(Run({"backup"}), 6);
  EXPECT_EQ(Run({"export", "--output", directory_ / "x.tar"}), 6);
}

TEST_F(ListingTest, AReaderThatWentAwayIsAnError) {
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(Run({"source", "list"}), 1);
  EXPECT_NE(err().find("standard output"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::cli
