// Goal: what a store holds is entered whole however much it is, and what it lacks costs no more
// than what depends on it.
#include "controller/catalog/catalog_builder.h"

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class CatalogBuilderTest : public testing::Test {
 protected:
  CatalogBuilderTest() {
    builder_ = CatalogBuilder::Create(RealEnv(), path_, Bytes(16, 'c')).value();
    AgentRow agent;
    agent.id = IdOf<AgentId>(1);
    agent.name = "web";
    agent.domain = IdOf<DomainId>(1);
    EXPECT_TRUE(builder_->AddAgent(agent).ok());
    source_.id = IdOf<SourceId>(1);
    source_.agent = agent.id;
    source_.name = "uploads";
    source_.kind = "files";
  }

  // The one snapshot of the source, of these chunks.
  void Keep(std::vector<ChunkId> ids) {
    std::sort(ids.begin(), ids.end());
    ASSERT_TRUE(builder_->BeginSource(source_, 1).ok());
    ASSERT_TRUE(builder_->ApplyFull(ids).ok());
    FoundSnapshot snapshot;
    snapshot.row.seq = 1;
    snapshot.row.snapshot_id = IdOf<Hash256>(1);
    snapshot.run_id = Bytes(16, 'r');
    ASSERT_TRUE(builder_->Keep(snapshot).ok());
    ASSERT_TRUE(builder_->EndSource().ok());
  }

  test::TempDir directory_;
  const std::string path_ = directory_ / "catalog.db";
  std::unique_ptr<CatalogBuilder> builder_;
  SourceRow source_;
};

TEST_F(CatalogBuilderTest, ASourceOfAnUnknownAgentIsRefused) {
  source_.agent = IdOf<AgentId>(2);
  const absl::Status status = builder_->BeginSource(source_, 1);
  EXPECT_EQ(KindOf(status), ErrorKind::kNotFound) << status;
  EXPECT_EQ(CodeOf(status), 5021);
}

TEST_F(CatalogBuilderTest, ADeltaWhoseBaseIsNowhereIsLost) {
  ASSERT_TRUE(builder_
                  ->AddPack({IdOf<DomainId>(1), IdOf<PackName>(1), 5000},
                            {{Chunk(1), 8, 100, {}}, {Chunk(2), 108, 100, {Chunk(9)}}})
                  .ok());
  ASSERT_NO_FATAL_FAILURE(Keep({Chunk(1), Chunk(2)}));
  const auto counts = builder_->Finish();
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->chunks, 2u);
  EXPECT_EQ(counts->lost_chunks, 1u);
  const auto catalog = Catalog::Open(RealEnv(), path_).value();
  const auto found = catalog->FindChunks(IdOf<DomainId>(1), {Chunk(1), Chunk(2)}).value();
  EXPECT_TRUE(found[0].live);
  EXPECT_FALSE(found[1].live);
}

// More than is written in one transaction.
TEST_F(CatalogBuilderTest, AHundredThousandChunksAndMore) {
  constexpr std::uint64_t kChunks = 100'003;
  std::vector<FoundChunk> chunks;
  std::vector<ChunkId> kept;
  for (std::uint64_t i = 0; i < kChunks; ++i) {
    chunks.push_back({Chunk(i), 8 + i * 100, 100, {}});
    if (i % 1000 == 0) kept.push_back(chunks.back().id);
  }
  ASSERT_TRUE(
      builder_->AddPack({IdOf<DomainId>(1), IdOf<PackName>(1), 8 + kChunks * 100}, chunks).ok());
  ASSERT_NO_FATAL_FAILURE(Keep(kept));
  const auto counts = builder_->Finish();
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->chunks, kept.size());
  EXPECT_EQ(counts->unreferenced, kChunks - kept.size());
  EXPECT_EQ(counts->lost_chunks, 0u);
}

}  // namespace
}  // namespace holdfast::catalog
