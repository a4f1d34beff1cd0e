// Goal: what the catalog was told is there after a reopen; identities, tokens and domains are kept
// apart; a damaged, foreign or newer file is refused and left alone.
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

void RunSql(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(::sqlite3_open(path.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(::sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << ::sqlite3_errmsg(db);
  ::sqlite3_close(db);
}

Bytes ReadAllOf(const std::string& path) { return RealFileSystem().ReadFile(path).value(); }

TEST_F(CatalogTest, AnEmptyFileBecomesACatalogAndKeepsItsIdentity) {
  catalog_.reset();
  RealFileSystem().Remove(path()).IgnoreError();
  std::ofstream(path()).close();
  Reopen();
  const Bytes id = catalog_->GetInstallation()->controller_id;
  EXPECT_EQ(id.size(), 16u);
  EXPECT_FALSE(catalog_->GetInstallation()->owner.has_value());
  Reopen();
  EXPECT_EQ(catalog_->GetInstallation()->controller_id, id);
}

TEST_F(CatalogTest, ASecondOpenIsRefused) {
  const auto second = Catalog::Open(RealEnv(), path());
  EXPECT_EQ(KindOf(second.status()), ErrorKind::kConflict) << second.status();
}

TEST_F(CatalogTest, ANewerOrForeignFileIsRefusedUnchanged) {
  catalog_.reset();
  RunSql(path(), "PRAGMA user_version=99");
  const Bytes newer = ReadAllOf(path());
  EXPECT_EQ(CodeOf(Catalog::Open(RealEnv(), path()).status()), 5002);
  EXPECT_EQ(KindOf(Catalog::Open(RealEnv(), path()).status()), ErrorKind::kUsage);
  EXPECT_EQ(ReadAllOf(path()), newer);

  const std::string foreign = directory_ / "foreign.db";
  RunSql(foreign, "CREATE TABLE theirs(x)");
  const Bytes theirs = ReadAllOf(foreign);
  EXPECT_EQ(CodeOf(Catalog::Open(RealEnv(), foreign).status()), 5003);
  EXPECT_EQ(ReadAllOf(foreign), theirs);

  const std::string garbage = directory_ / "garbage.db";
  std::ofstream(garbage) << std::string(10'000, 'g');
  const auto status = Catalog::Open(RealEnv(), garbage).status();
  EXPECT_EQ(CodeOf(status), 5001) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_FALSE(HintOf(status).empty());
}

TEST_F(CatalogTest, DamageNeverGivesWrongReferences) {
  AddAgent(1);
  AddPack(1, Chunks(0, 300));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 300)));
  catalog_.reset();
  const Bytes whole = ReadAllOf(path());
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); at += 1009) {
    SCOPED_TRACE(testing::Message() << "byte " << at);
    Bytes damaged = whole;
    damaged[at] ^= 0x40;
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << damaged;
    auto opened = Catalog::Open(RealEnv(), path());
    if (!opened.ok()) {
      ++refused;
      continue;
    }
    const auto references = (*opened)->References(IdOf<SourceId>(1), 1);
    if (references.ok()) {
      EXPECT_TRUE(*references == Chunks(0, 300));
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  std::ofstream(path(), std::ios::binary | std::ios::trunc) << whole.substr(0, whole.size() / 2);
  EXPECT_EQ(CodeOf(Catalog::Open(RealEnv(), path()).status()), 5001);
}

TEST_F(CatalogTest, TheLogStaysSmallBesideAWriterThatNeverRests) {
  AddAgent(1);
  constexpr std::size_t kRowBytes = 1 << 20;
  constexpr std::size_t kRows = 200;
  for (std::size_t i = 0; i < kRows; ++i) {
    const Bytes policy(kRowBytes, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(catalog_->planning().SetSettings({{"scope", "key", policy, "operator", 1}}).ok());
    ASSERT_EQ(catalog_->planning().ListSettings().value().size(), 1u);
  }
  // It is not cut when it begins anew, so its size is the most it ever had.
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), kRows * kRowBytes / 2);
  Reopen();
  EXPECT_EQ(catalog_->planning().ListSettings().value()[0].value[0],
            static_cast<char>('a' + (kRows - 1) % 26));
}

TEST_F(CatalogTest, TheOwnerIsSetOnceAndListsFollowEachOther) {
  EXPECT_EQ(KindOf(catalog_->SetRecipients("early", 1)), ErrorKind::kConflict);
  const auto owner = IdOf<PublicKey>(1);
  ASSERT_TRUE(catalog_->SetOwner(owner, "list 1", 1).ok());
  EXPECT_EQ(KindOf(catalog_->SetOwner(IdOf<PublicKey>(2), "x", 1)), ErrorKind::kConflict);
  for (const std::uint64_t version : {0, 1, 3}) {
    EXPECT_EQ(KindOf(catalog_->SetRecipients("x", version)), ErrorKind::kConflict);
  }
  ASSERT_TRUE(catalog_->SetRecipients("list 2", 2).ok());
  Reopen();
  const Installation installation = catalog_->GetInstallation().value();
  EXPECT_EQ(installation.owner, owner);
  EXPECT_EQ(installation.recipients, "list 2");
  EXPECT_EQ(installation.recipients_version, 2u);
}

TEST_F(CatalogTest, ATokenEnrolsOneAgentOnce) {
  ASSERT_TRUE(catalog_->AddToken({"token", Sha256("secret"), "web", 100}).ok());
  AgentRow agent;
  agent.id = IdOf<AgentId>(1);
  agent.name = "web";
  agent.key_pin = IdOf<Hash256>(5);
  agent.certificate_not_after_ms = 9;
  agent.host = "host";
  agent.software_version = "1.0";
  AgentRow other = agent;
  other.name = "db";
  std::vector<absl::Status> refused = {catalog_->Enrol("unknown", "secret", agent, 1).status(),
                                       catalog_->Enrol("token", "wrong", agent, 1).status(),
                                       catalog_->Enrol("token", "secret", agent, 100).status(),
                                       catalog_->Enrol("token", "secret", other, 1).status()};
  const AgentRow enrolled = catalog_->Enrol("token", "secret", agent, 42).value();
  EXPECT_EQ(enrolled.enrolled_at_ms, 42u);
  other.id = IdOf<AgentId>(2);
  other.name = "web";
  refused.push_back(catalog_->Enrol("token", "secret", other, 1).status());
  for (const absl::Status& status : refused) {
    EXPECT_EQ(CodeOf(status), 6020);
    EXPECT_EQ(KindOf(status), ErrorKind::kPermission);
    EXPECT_EQ(MessageOf(status), MessageOf(refused[0])) << "one text for every reason";
  }
  Reopen();
  const AgentRow found = catalog_->FindAgent("web").value();
  EXPECT_EQ(found.id, agent.id);
  EXPECT_EQ(found.key_pin, agent.key_pin);
  EXPECT_EQ(found.certificate_not_after_ms, 9u);
  EXPECT_EQ(found.host, "host");
  EXPECT_EQ(found.software_version, "1.0");
  EXPECT_FALSE(found.domain.has_value());
  EXPECT_EQ(KindOf(catalog_->AddToken({"t2", Sha256("s"), "web", 100})), ErrorKind::kConflict);
}

TEST_F(CatalogTest, AnAgentKnownFromTheStoreOnlyIsEnrolledAgain) {
  AddAgent(1);  // without a key
  ASSERT_TRUE(catalog_->AddToken({"t", Sha256("s"), "agent1", 100}).ok());
  AgentRow stranger;
  stranger.id = IdOf<AgentId>(9);
  stranger.name = "agent1";
  EXPECT_EQ(CodeOf(catalog_->Enrol("t", "s", stranger, 1).status()), 5062);
  AgentRow again;
  again.id = IdOf<AgentId>(1);
  again.name = "agent1";
  again.key_pin = IdOf<Hash256>(5);
  again.host = "host";
  const AgentRow enrolled = catalog_->Enrol("t", "s", again, 7).value();
  EXPECT_EQ(enrolled.key_pin, again.key_pin);
  EXPECT_EQ(enrolled.domain, IdOf<DomainId>(1)) << "the same agent";
  EXPECT_EQ(CodeOf(catalog_->AddToken({"t2", Sha256("s"), "agent1", 100})), 5062);
  EXPECT_EQ(CodeOf(catalog_->AdoptAgentKey(again.id, IdOf<Hash256>(6))), 5068);
}

TEST_F(CatalogTest, AgentsChangeAndGo) {
  AddAgent(1);
  AgentRow agent = catalog_->GetAgent(IdOf<AgentId>(1)).value();
  EXPECT_EQ(agent.domain, IdOf<DomainId>(1));
  EXPECT_TRUE(catalog_->SetAgentDomain(agent.id, IdOf<DomainId>(1)).ok());
  EXPECT_EQ(KindOf(catalog_->SetAgentDomain(agent.id, IdOf<DomainId>(2))), ErrorKind::kConflict);
  ASSERT_TRUE(catalog_->SetAgentCertificate(agent.id, IdOf<Hash256>(8), 1234).ok());
  agent.last_seen_ms = 55;
  agent.clock_skew_ms = -7;
  agent.host = "moved";
  ASSERT_TRUE(catalog_->SetAgentSeen(agent).ok());
  Reopen();
  agent = catalog_->GetAgent(agent.id).value();
  EXPECT_EQ(agent.key_pin, IdOf<Hash256>(8));
  EXPECT_EQ(agent.certificate_not_after_ms, 1234u);
  EXPECT_EQ(agent.last_seen_ms, 55u);
  EXPECT_EQ(agent.clock_skew_ms, -7);
  EXPECT_EQ(agent.host, "moved");

  AddPack(1, Chunks(0, 2));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 2)));
  ASSERT_TRUE(catalog_->RemoveAgent("agent1").ok());
  EXPECT_EQ(KindOf(catalog_->RemoveAgent("agent1")), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->FindAgent("agent1").status()), ErrorKind::kNotFound);
  EXPECT_TRUE(catalog_->GetAgent(agent.id)->removed);
  EXPECT_TRUE(catalog_->ListAgents(false)->empty());
  EXPECT_EQ(catalog_->ListAgents(true)->size(), 1u);
  EXPECT_TRUE(catalog_->ListSources(true)->empty());
  ExpectReferences(1, 1, Chunks(0, 2));
  EXPECT_TRUE(catalog_->AddToken({"again", Sha256("s"), "agent1", 100}).ok()) << "the name is free";
  const AgentId nobody = IdOf<AgentId>(77);
  EXPECT_EQ(KindOf(catalog_->GetAgent(nobody).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->SetAgentDomain(nobody, {})), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->SetAgentCertificate(nobody, {}, 1)), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->SetSources(nobody, {})), ErrorKind::kNotFound);
}

TEST_F(CatalogTest, SourcesStayWithTheirAgent) {
  AddAgent(1);
  AddAgent(2);
  ASSERT_TRUE(AddSource(1, 3).ok());  // agent 1 names source 3 only from now on
  EXPECT_EQ(catalog_->ListSources(true)->size(), 2u);
  EXPECT_EQ(catalog_->ListSources(false)->size(), 3u);
  EXPECT_EQ(CodeOf(AddSource(2, 3)), 5026) << "a living agent's source";
  EXPECT_EQ(catalog_->GetSource(IdOf<SourceId>(3))->agent, IdOf<AgentId>(1));
  EXPECT_EQ(catalog_->ListSources(true)->size(), 2u) << "a refused list changes nothing";
  ASSERT_TRUE(catalog_->RemoveAgent("agent1").ok());
  EXPECT_EQ(CodeOf(AddSource(2, 3)), 5026) << "another domain";

  ASSERT_TRUE(catalog_->AddToken({"r", Sha256("s"), "agent1", 10}).ok());
  AgentRow replacement;
  replacement.id = IdOf<AgentId>(9);
  replacement.name = "agent1";
  ASSERT_TRUE(catalog_->Enrol("r", "s", replacement, 1).ok());
  EXPECT_EQ(CodeOf(AddSource(9, 3)), 5026) << "no domain yet";
  ASSERT_TRUE(catalog_->SetAgentDomain(replacement.id, IdOf<DomainId>(1)).ok());
  ASSERT_TRUE(AddSource(9, 3).ok());
  Reopen();
  EXPECT_EQ(catalog_->GetSource(IdOf<SourceId>(3))->agent, replacement.id);
}

TEST_F(CatalogTest, ADomainBelongsToOneAgentAndToItsSuccessor) {
  const auto enrol = [this](std::uint64_t number, const std::string& name) {
    EXPECT_TRUE(catalog_->AddToken({name + "'s", Sha256("s"), name, 10}).ok());
    AgentRow row;
    row.id = IdOf<AgentId>(number);
    row.name = name;
    EXPECT_TRUE(catalog_->Enrol(name + "'s", "s", row, 1).ok());
    return row.id;
  };
  const auto domain_of = [this](std::uint64_t number) {
    return catalog_->GetAgent(IdOf<AgentId>(number))->domain;
  };
  AddAgent(1);  // agent1 with domain 1
  const AgentId thief = enrol(5, "thief");
  EXPECT_EQ(CodeOf(catalog_->SetAgentDomain(thief, IdOf<DomainId>(1))), 5069);
  EXPECT_EQ(domain_of(5), std::nullopt);
  EXPECT_TRUE(catalog_->SetAgentDomain(IdOf<AgentId>(1), IdOf<DomainId>(1)).ok()) << "its own";

  // The owner's token says who takes the place of an agent that was removed: it is for its name.
  ASSERT_TRUE(catalog_->RemoveAgent("agent1").ok());
  EXPECT_EQ(CodeOf(catalog_->SetAgentDomain(thief, IdOf<DomainId>(1))), 5069) << "of another name";
  EXPECT_EQ(domain_of(5), std::nullopt);
  const AgentId successor = enrol(6, "agent1");
  EXPECT_TRUE(catalog_->SetAgentDomain(successor, IdOf<DomainId>(1)).ok());
  EXPECT_EQ(domain_of(6), IdOf<DomainId>(1));
  EXPECT_EQ(CodeOf(catalog_->SetAgentDomain(thief, IdOf<DomainId>(1))), 5069);
  EXPECT_TRUE(catalog_->SetAgentDomain(thief, IdOf<DomainId>(5)).ok()) << "one of its own";
}

TEST_F(CatalogTest, TheLastFailureOfASource) {
  AddAgent(1);
  const auto source = IdOf<SourceId>(1);
  EXPECT_FALSE(catalog_->LastFailure(source)->has_value());
  ASSERT_TRUE(catalog_->RecordFailure(source, {1, 10, 2001, "first"}).ok());
  ASSERT_TRUE(catalog_->RecordFailure(source, {2, 8, 6001, "second"}).ok());
  Reopen();
  const RunFailure failure = **catalog_->LastFailure(source);
  EXPECT_EQ(failure.at_ms, 2u);
  EXPECT_EQ(failure.exit_code, 8u);
  EXPECT_EQ(failure.error_code, 6001u);
  EXPECT_EQ(failure.message, "second");
  ASSERT_TRUE(catalog_->ClearFailure(source).ok());
  EXPECT_FALSE(catalog_->LastFailure(source)->has_value());
  EXPECT_EQ(KindOf(catalog_->RecordFailure(IdOf<SourceId>(9), {})), ErrorKind::kNotFound);
}

TEST_F(CatalogTest, ChunksAreFoundInTheirDomainOnly) {
  AddAgent(1);
  AddAgent(2);
  AddPack(1, Chunks(0, 4));
  const auto has = [&](std::uint64_t domain, std::vector<ChunkId> ids) {
    return HasChunks(IdOf<DomainId>(domain), ids);
  };
  const std::vector<ChunkId> asked = {Chunk(0), Chunk(9), Chunk(3)};
  EXPECT_EQ(has(1, asked), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(has(2, asked), (std::vector<bool>{false, false, false}));
  const auto foreign = catalog_->Locate(IdOf<DomainId>(2), {Chunk(0)}).status();
  const auto absent = catalog_->Locate(IdOf<DomainId>(1), {Chunk(0), Chunk(9)}).status();
  EXPECT_EQ(CodeOf(foreign), 5020);
  EXPECT_EQ(CodeOf(absent), 5020);
  EXPECT_NE(MessageOf(absent).find(Chunk(9).hex()), std::string::npos);
  EXPECT_EQ(CodeOf(catalog_->MarkBad(IdOf<DomainId>(2), Chunk(0))), 5020);
  // The same id under another domain is another chunk.
  AddPack(2, Chunks(0, 1));
  EXPECT_EQ(has(2, asked), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(catalog_->Locate(IdOf<DomainId>(2), {Chunk(0)})->at(0).pack.name, IdOf<PackName>(2));
  EXPECT_EQ(catalog_->Locate(IdOf<DomainId>(1), {Chunk(0)})->at(0).pack.name, IdOf<PackName>(1));
}

TEST_F(CatalogTest, ChunksMoveFromOpenToFinishedPacks) {
  const auto domain = IdOf<DomainId>(1);
  const std::int64_t row = catalog_->AddOpenPack(domain, 7).value();
  EXPECT_EQ(*catalog_->FindOpenPack(7), row);
  ASSERT_TRUE(catalog_->AddChunks(row, Entries({Chunk(1), Chunk(2)}), {}).ok());
  Reopen();
  ChunkLocation location = catalog_->Locate(domain, {Chunk(2)})->at(0);
  EXPECT_TRUE(location.pack.name.IsZero());
  EXPECT_EQ(location.pack.open_number, 7u);
  EXPECT_EQ(location.pack.pack_row, row);
  EXPECT_EQ(location.offset_bytes, 108u);
  EXPECT_EQ(location.length_bytes, 100u);
  EXPECT_EQ(catalog_->GetTotals()->pack_bytes, 208u);
  ASSERT_TRUE(catalog_->FinishPack(row, IdOf<PackName>(1), 500).ok());
  ASSERT_TRUE(catalog_->FinishPack(row, IdOf<PackName>(1), 500).ok()) << "idempotent";
  EXPECT_EQ(KindOf(catalog_->FinishPack(row, IdOf<PackName>(2), 500)), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(catalog_->AddChunks(row, {}, {})), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(catalog_->ForgetPack(row)), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(catalog_->AddChunks(99, {}, {})), ErrorKind::kNotFound);
  EXPECT_FALSE(catalog_->FindOpenPack(7)->has_value());
  EXPECT_EQ(catalog_->Locate(domain, {Chunk(2)})->at(0).pack.name, IdOf<PackName>(1));
  // A second copy changes nothing: the first place stays.
  const std::int64_t second = catalog_->AddOpenPack(domain, 8).value();
  ASSERT_TRUE(catalog_->AddChunks(second, Entries({Chunk(2), Chunk(3)}), {}).ok());
  EXPECT_EQ(catalog_->Locate(domain, {Chunk(2)})->at(0).pack.pack_row, row);
  const Totals totals = catalog_->GetTotals().value();
  EXPECT_EQ(totals.pack_count, 2u);
  EXPECT_EQ(totals.pack_bytes, 708u);
  EXPECT_EQ(totals.chunk_count, 3u);
}

TEST_F(CatalogTest, AForgottenPackLosesItsChunksButNotItsReferences) {
  AddAgent(1);
  const auto domain = IdOf<DomainId>(1);
  const std::int64_t row = catalog_->AddOpenPack(domain, 7).value();
  ASSERT_TRUE(catalog_->AddChunks(row, Entries(Chunks(0, 4)), {}).ok());
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 2)));
  ASSERT_TRUE(catalog_->ForgetPack(row).ok());
  Reopen();
  EXPECT_EQ(HasChunks(domain, Chunks(0, 4)), std::vector<bool>(4, false));
  EXPECT_EQ(KindOf(catalog_->Locate(domain, Chunks(0, 1)).status()), ErrorKind::kIntegrity);
  EXPECT_EQ(KindOf(catalog_->Locate(domain, Chunks(3, 4)).status()), ErrorKind::kNotFound);
  ExpectReferences(1, 1, Chunks(0, 2));
  EXPECT_EQ(catalog_->GetTotals()->chunk_count, 0u);
  EXPECT_FALSE(catalog_->FindOpenPack(7)->has_value());
  pack_number_ = 7;
  AddPack(1, Chunks(0, 4));
  EXPECT_EQ(HasChunks(domain, Chunks(0, 4)), std::vector<bool>(4, true));
  ExpectReferences(1, 1, Chunks(0, 2));
}

TEST_F(CatalogTest, AHundredThousandChunks) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t kCount = 100'000;
  constexpr std::uint64_t kPack = 1'000;
  const auto seconds = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  const auto insert_start = Clock::now();
  for (std::uint64_t i = 0; i < kCount; i += kPack) AddPack(1, Chunks(i, i + kPack));
  const double insert_seconds = seconds(insert_start);
  std::vector<std::vector<ChunkId>> batches;
  for (std::uint64_t i = 0; i < kCount; i += 8'192) {
    batches.push_back(Chunks(i, std::min(kCount, i + 8'192)));
  }
  const auto lookup_start = Clock::now();
  std::uint64_t found = 0;
  for (const auto& batch : batches) {
    const auto has = HasChunks(IdOf<DomainId>(1), batch);
    found += static_cast<std::uint64_t>(std::count(has.begin(), has.end(), true));
  }
  const double lookup_seconds = seconds(lookup_start);
  EXPECT_EQ(found, kCount);
  EXPECT_EQ(catalog_->GetTotals()->chunk_count, kCount);
  RecordProperty("inserts_per_second", static_cast<int>(kCount / insert_seconds));
  RecordProperty("lookups_per_second", static_cast<int>(kCount / lookup_seconds));
  EXPECT_LT(insert_seconds, 20);  // generous: other tests run beside this one
  EXPECT_LT(lookup_seconds, 5);
}

}  // namespace
}  // namespace holdfast::catalog
