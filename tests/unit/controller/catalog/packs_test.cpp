// Goal: packs of the same bytes are one; what a pack is asked for by name is said to be unknown;
// how much a domain keeps counts what lies in open packs too.
#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class CatalogPacksTest : public CatalogTest {
 protected:
  CatalogPacksTest() { AddAgent(1); }
  std::int64_t AddOpen(std::uint64_t number, const std::vector<ChunkId>& ids) {
    const std::int64_t row = catalog_->AddOpenPack(IdOf<DomainId>(1), number).value();
    EXPECT_TRUE(catalog_->AddChunks(row, Entries(ids), {}).ok());
    return row;
  }
  PackName PackOf(const ChunkId& id) {
    return catalog_->Locate(IdOf<DomainId>(1), {id}).value()[0].pack.name;
  }
};

TEST_F(CatalogPacksTest, APackOfTheSameBytesBecomesTheOneThatIsThere) {
  const auto name = IdOf<PackName>(77);
  const std::int64_t first = AddOpen(901, Chunks(0, 3));
  ASSERT_TRUE(catalog_->FinishPack(first, name, 5000).ok());
  const std::int64_t second = AddOpen(902, Chunks(3, 5));
  ASSERT_TRUE(catalog_->FinishPack(second, name, 5000).ok());
  const auto packs = catalog_->ListPacks().value();
  ASSERT_EQ(packs.size(), 1u);
  EXPECT_EQ(packs[0].name, name);
  for (const ChunkId& id : Chunks(0, 5)) EXPECT_EQ(PackOf(id), name);
  EXPECT_EQ(catalog_->LiveChunksOf(name)->size(), 5u);
  EXPECT_FALSE(catalog_->FindOpenPack(902)->has_value());
  EXPECT_EQ(catalog_->GetTotals()->pack_bytes, 5000u) << "the file counts once";
}

TEST_F(CatalogPacksTest, APackThatIsNotThereHasNoDamage) {
  const absl::Status status = catalog_->MarkBadIn(IdOf<PackName>(5), {Chunk(1)});
  EXPECT_EQ(KindOf(status), ErrorKind::kNotFound) << status;
  EXPECT_EQ(CodeOf(status), 5064);
}

TEST_F(CatalogPacksTest, WhatADomainKeepsCountsOpenPacksToo) {
  EXPECT_EQ(catalog_->StoredBytes(IdOf<DomainId>(1)).value(), 0u);
  AddPack(1, Chunks(0, 3));
  EXPECT_EQ(catalog_->StoredBytes(IdOf<DomainId>(1)).value(), 5000u);
  AddOpen(903, Chunks(3, 5));
  EXPECT_EQ(catalog_->StoredBytes(IdOf<DomainId>(1)).value(), 5200u);
  EXPECT_EQ(catalog_->StoredBytes(IdOf<DomainId>(2)).value(), 0u);
}

TEST_F(CatalogPacksTest, APolicyGoesWhenItIsEmpty) {
  Collection& collection = catalog_->collection();
  ASSERT_TRUE(collection.SetPolicy(IdOf<SourceId>(1), "last=3").ok());
  ASSERT_TRUE(collection.SetPolicy(IdOf<SourceId>(1), "").ok());
  EXPECT_EQ(collection.GetPolicy(IdOf<SourceId>(1)).value(), "");
}

TEST_F(CatalogPacksTest, AnAgentTakesANameThatIsFree) {
  AddAgent(2);
  const auto id = IdOf<AgentId>(1);
  ASSERT_TRUE(catalog_->RenameAgent(id, "web").ok());
  EXPECT_EQ(catalog_->GetAgent(id)->name, "web");
  EXPECT_TRUE(catalog_->RenameAgent(id, "web").ok()) << "its own";
  EXPECT_EQ(KindOf(catalog_->RenameAgent(id, "agent2")), ErrorKind::kConflict);
  EXPECT_EQ(catalog_->GetAgent(id)->name, "web");
  EXPECT_EQ(KindOf(catalog_->RenameAgent(IdOf<AgentId>(9), "new")), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace holdfast::catalog
