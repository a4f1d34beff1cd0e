// Goal: the nearest limit counts, sessions of a domain share one room, and room that packs leave is
// there again (fault row 54).
#include "controller/quota/quotas.h"

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::quota {
namespace {

using catalog::Chunks;
using catalog::IdOf;

class QuotasTest : public catalog::CatalogTest {
 protected:
  QuotasTest() {
    AddAgent(1);
    AddAgent(2);
  }
  AgentQuota Of(const std::string& name, Quotas& quotas) {
    const std::vector<AgentQuota> all = quotas.List().value();
    for (const AgentQuota& one : all) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no " << name;
    return {};
  }
  AgentQuota Of(const std::string& name) { return Of(name, quotas_); }
  std::unique_ptr<QuotaSession> Begin(std::uint64_t agent = 1) {
    auto session =
        std::make_unique<QuotaSession>(quotas_, catalog_->GetAgent(IdOf<AgentId>(agent)).value());
    EXPECT_TRUE(session->Refresh().ok());
    return session;
  }
  // Puts `bytes` of one chunk into an open pack, as an ingest session does.
  std::int64_t Store(QuotaSession& session, std::uint64_t chunk, std::uint32_t bytes) {
    session.Stored(bytes);
    const std::uint64_t number = ++pack_number_;
    const std::int64_t row = catalog_->AddOpenPack(IdOf<DomainId>(1), number).value();
    EXPECT_TRUE(catalog_->AddChunks(row, {{catalog::Chunk(chunk), 8, bytes, 0}}, {}).ok());
    return row;
  }

  Quotas quotas_{RealEnv(), *catalog_, {}};
};

TEST_F(QuotasTest, TheNearestLimitCountsAndSaysWhereItComesFrom) {
  EXPECT_EQ(Of("agent1").limit.text, "none");
  EXPECT_EQ(Of("agent1").limit.origin, schedule::Origin::kDefault);
  EXPECT_EQ(Of("agent1").limit_bytes, std::nullopt);

  quotas_.Reconfigure({"2 GiB"});
  EXPECT_EQ(Of("agent1").limit.text, "2 GiB");
  EXPECT_EQ(Of("agent1").limit.origin, schedule::Origin::kFile);
  EXPECT_EQ(Of("agent1").limit_bytes, 2ull << 30);

  ASSERT_TRUE(quotas_.Set("agent1", "500kB", "root").ok());
  Reopen();
  Quotas again(RealEnv(), *catalog_, {"2 GiB"});
  EXPECT_EQ(Of("agent1", again).limit.text, "500kB");
  EXPECT_EQ(Of("agent1", again).limit.origin, schedule::Origin::kCommand);
  EXPECT_EQ(Of("agent1", again).limit.set_by, "root");
  EXPECT_EQ(Of("agent1", again).limit_bytes, 500'000u);
  EXPECT_EQ(Of("agent2", again).limit_bytes, 2ull << 30) << "of that agent only";
  ASSERT_TRUE(again.Set("agent1", "none", "root").ok());
  EXPECT_EQ(Of("agent1", again).limit_bytes, std::nullopt) << "nearer than the file";
  ASSERT_TRUE(again.Set("agent1", "", "root").ok());
  EXPECT_EQ(Of("agent1", again).limit_bytes, 2ull << 30);
}

TEST_F(QuotasTest, WhatCannotBeReadChangesNothing) {
  ASSERT_TRUE(quotas_.Set("agent1", "1MiB", "root").ok());
  for (const char* bad : {"much", "-1", "1.5GiB", "9999999999999999999999", "1 GiB x"}) {
    EXPECT_EQ(CodeOf(quotas_.Set("agent1", bad, "root")), 5037) << bad;
  }
  EXPECT_EQ(CodeOf(quotas_.Set("nobody", "1MiB", "root")), 5021);
  EXPECT_EQ(Of("agent1").limit_bytes, 1u << 20);
}

TEST_F(QuotasTest, WhatIsStoredIsWhatThePacksOfTheDomainTake) {
  EXPECT_EQ(Of("agent1").stored_bytes, 0u);
  AddPack(1, Chunks(0, 3));  // finished: 5,000 bytes
  EXPECT_EQ(Of("agent1").stored_bytes, 5000u);
  const std::int64_t open = catalog_->AddOpenPack(IdOf<DomainId>(1), 77).value();
  EXPECT_EQ(Of("agent1").stored_bytes, 5000u);
  ASSERT_TRUE(catalog_->AddChunks(open, Entries(Chunks(5, 7)), {}).ok());
  EXPECT_EQ(Of("agent1").stored_bytes, 5200u) << "of an open pack its chunks";
  ASSERT_TRUE(catalog_->FinishPack(open, IdOf<PackName>(77), 300).ok());
  EXPECT_EQ(Of("agent1").stored_bytes, 5300u);
  EXPECT_EQ(Of("agent2").stored_bytes, 0u);
  ASSERT_TRUE(catalog_->RemoveAgent("agent2").ok());
  EXPECT_EQ(quotas_.List()->size(), 1u);
}

TEST_F(QuotasTest, SessionsOfADomainShareItsRoom) {
  ASSERT_TRUE(quotas_.Set("agent1", "1000", "root").ok());
  const auto first = Begin();
  {
    const auto second = Begin();
    EXPECT_TRUE(first->Admit(600).ok());
    EXPECT_TRUE(second->Admit(400).ok()) << "to the last byte";
    const absl::Status refused = second->Admit(1);
    EXPECT_EQ(KindOf(refused), ErrorKind::kNoSpace) << refused;
    EXPECT_EQ(CodeOf(refused), 5036);
    EXPECT_NE(MessageOf(refused).find("'agent1': its quota of 1000"), std::string::npos) << refused;
    EXPECT_TRUE(second->Admit(0).ok()) << "nothing needs no room";
    EXPECT_EQ(CodeOf(first->Admit(1)), 5036);
    EXPECT_TRUE(Begin(2)->Admit(1 << 30).ok()) << "another agent is not concerned";
  }
  EXPECT_TRUE(first->Admit(400).ok()) << "what the other session did not store";
  EXPECT_EQ(CodeOf(first->Admit(1)), 5036);
}

TEST_F(QuotasTest, WhatWasStoredCountsOnceAndInTheNextSessionToo) {
  ASSERT_TRUE(quotas_.Set("agent1", "1000", "root").ok());
  auto session = Begin();
  ASSERT_TRUE(session->Admit(700).ok());
  Store(*session, 1, 700);
  EXPECT_EQ(CodeOf(session->Admit(301)), 5036);
  EXPECT_TRUE(session->Admit(300).ok());
  session = Begin();
  EXPECT_EQ(CodeOf(session->Admit(301)), 5036);
  EXPECT_TRUE(session->Admit(300).ok());
}

// A session that is refused still puts away what it had: the others know of it.
TEST_F(QuotasTest, WhatASessionStoresWhileItEndsCounts) {
  ASSERT_TRUE(quotas_.Set("agent1", "1000", "root").ok());
  const auto other = Begin();
  auto ending = Begin();
  ASSERT_TRUE(ending->Admit(600).ok());
  const std::int64_t row = catalog_->AddOpenPack(IdOf<DomainId>(1), ++pack_number_).value();
  ASSERT_TRUE(catalog_->AddChunks(row, {{catalog::Chunk(1), 8, 600, 0}}, {}).ok());
  ending.reset();
  EXPECT_EQ(CodeOf(other->Admit(600)), 5036);
  EXPECT_TRUE(other->Admit(300).ok());
}

// What was admitted and never stored leaves its room.
TEST_F(QuotasTest, WhatASessionDoesNotStoreIsRoomForOthers) {
  ASSERT_TRUE(quotas_.Set("agent1", "1000", "root").ok());
  const auto other = Begin();
  auto ending = Begin();
  ASSERT_TRUE(ending->Admit(600).ok());
  ending.reset();
  EXPECT_TRUE(other->Admit(900).ok());
}

TEST_F(QuotasTest, RoomThatPacksLeaveIsThereInTheSameSession) {
  ASSERT_TRUE(quotas_.Set("agent1", "1000", "root").ok());
  const auto session = Begin();
  ASSERT_TRUE(session->Admit(900).ok());
  const std::int64_t pack = Store(*session, 1, 900);
  EXPECT_EQ(CodeOf(session->Admit(200)), 5036);
  ASSERT_TRUE(catalog_->ForgetPack(pack).ok());
  EXPECT_TRUE(session->Admit(1000).ok());
}

TEST_F(QuotasTest, ALimitThatIsSetMeanwhileCounts) {
  const auto session = Begin();
  ASSERT_TRUE(session->Admit(1 << 20).ok()) << "no limit";
  Store(*session, 1, 1 << 20);
  ASSERT_TRUE(quotas_.Set("agent1", "0", "root").ok());
  ASSERT_TRUE(session->Refresh().ok());
  EXPECT_EQ(CodeOf(session->Admit(1)), 5036);
  EXPECT_TRUE(session->Admit(0).ok());
  ASSERT_TRUE(quotas_.Set("agent1", "2MiB", "root").ok());
  EXPECT_TRUE(session->Admit(1 << 20).ok()) << "raised: seen before it is refused";
  EXPECT_EQ(CodeOf(session->Admit(~0ull)), 5036) << "sums do not overflow";
}

}  // namespace
}  // namespace holdfast::quota
