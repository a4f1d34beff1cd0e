// Goal: what would be freed is told right before anything goes: a chunk counts when no snapshot
// that stays has it, of whatever source.
#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class CatalogTrashTest : public CatalogTest {
 protected:
  CatalogTrashTest() {
    AddAgent(1);
    SourceRow first;
    first.id = IdOf<SourceId>(1);
    first.name = "source1";
    first.kind = "files";
    SourceRow second = first;
    second.id = IdOf<SourceId>(2);
    second.name = "source2";
    EXPECT_TRUE(catalog_->SetSources(IdOf<AgentId>(1), {first, second}).ok());
    AddPack(1, Chunks(0, 20));
    ExpectCommitted(FullCommit(1, 1, Chunks(0, 10)));
    ExpectCommitted(FullCommit(1, 2, Chunks(5, 15)));
    ExpectCommitted(FullCommit(1, 3, Chunks(10, 20)));
  }
  // In chunks, which have 100 bytes each.
  std::uint64_t Exclusive(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& snapshots) {
    std::vector<Collection::SnapshotName> names;
    for (const auto& [source, seq] : snapshots) names.push_back({IdOf<SourceId>(source), seq});
    const auto bytes = catalog_->collection().ExclusiveBytes(names);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or(0) / 100;
  }
};

TEST_F(CatalogTrashTest, AChunkCountsWhenNoSnapshotThatStaysHasIt) {
  EXPECT_EQ(Exclusive({{1, 1}}), 5u);
  EXPECT_EQ(Exclusive({{1, 2}}), 0u) << "one neighbour or the other has each of them";
  EXPECT_EQ(Exclusive({{1, 3}}), 5u);
  EXPECT_EQ(Exclusive({{1, 1}, {1, 2}}), 10u);
  EXPECT_EQ(Exclusive({{1, 1}, {1, 3}}), 10u);
  EXPECT_EQ(Exclusive({{1, 1}, {1, 2}, {1, 3}}), 20u);
}

TEST_F(CatalogTrashTest, OtherSourcesAndLaterSnapshotsKeepAChunk) {
  ExpectCommitted(FullCommit(2, 1, Chunks(0, 3)));
  EXPECT_EQ(Exclusive({{1, 1}}), 2u);
  EXPECT_EQ(Exclusive({{2, 1}}), 0u);
  EXPECT_EQ(Exclusive({{1, 1}, {2, 1}}), 5u);
  // It comes again after it was gone: two spans of one source.
  ExpectCommitted(FullCommit(1, 4, Chunks(3, 4)));
  EXPECT_EQ(Exclusive({{1, 1}}), 1u);
  EXPECT_EQ(Exclusive({{1, 1}, {1, 4}}), 2u);
}

TEST_F(CatalogTrashTest, WhatLiesInTheTrashStillKeepsItsChunks) {
  ASSERT_TRUE(catalog_->collection().Forget(IdOf<SourceId>(1), {1}, 1000).ok());
  EXPECT_EQ(Exclusive({{1, 2}}), 0u);
  EXPECT_EQ(Exclusive({{1, 1}}), 5u);
  EXPECT_EQ(KindOf(catalog_->collection().ExclusiveBytes({{IdOf<SourceId>(9), 1}}).status()),
            ErrorKind::kNotFound);
}

}  // namespace
}  // namespace holdfast::catalog
