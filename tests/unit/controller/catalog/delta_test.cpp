// Goal: the catalog knows what deltas depend on: no snapshot references a delta without its bases,
// and a base that is lost takes its deltas out of use until it is back.
#include "controller/catalog/sqlite_catalog.h"
#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class CatalogDeltaTest : public CatalogTest {
 protected:
  CatalogDeltaTest() {
    AddAgent(1);
    AddPack(1, Chunks(0, 4));
    EXPECT_TRUE(AddDeltas({{Chunk(10), {Chunk(0), Chunk(1)}}, {Chunk(11), {Chunk(1)}}}).ok());
  }
  absl::Status AddDeltas(const DeltaBases& deltas) {
    const std::int64_t row = catalog_->AddOpenPack(domain_, ++pack_number_).value();
    std::vector<ChunkId> ids;
    for (const auto& [id, bases] : deltas) ids.push_back(id);
    return catalog_->AddChunks(row, Entries(ids), deltas);
  }
  ChunkPresence Find(std::uint64_t number) {
    return catalog_->FindChunks(domain_, {Chunk(number)}).value()[0];
  }
  static std::vector<ChunkId> Sorted(std::vector<ChunkId> ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
  }
  using Ids = std::vector<ChunkId>;

  const DomainId domain_ = IdOf<DomainId>(1);
};

TEST_F(CatalogDeltaTest, BasesAreToldInTheirOrder) {
  Reopen();
  EXPECT_EQ(Find(10).bases, (Ids{Chunk(0), Chunk(1)}));
  EXPECT_EQ(Find(11).bases, Ids{Chunk(1)});
  EXPECT_TRUE(Find(0).live);
  EXPECT_TRUE(Find(0).bases.empty());
  EXPECT_FALSE(Find(9).live);
  // A delta that is there already keeps its bases.
  ASSERT_TRUE(AddDeltas({{Chunk(11), {Chunk(2)}}}).ok());
  EXPECT_EQ(Find(11).bases, Ids{Chunk(1)});
}

TEST_F(CatalogDeltaTest, ADeltaNeedsPlainBasesThatAreThere) {
  EXPECT_EQ(CodeOf(AddDeltas({{Chunk(12), {Chunk(10)}}})), 5066) << "depth is 1";
  EXPECT_EQ(CodeOf(AddDeltas({{Chunk(12), {Chunk(99)}}})), 5066) << "not there";
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(2)).ok());
  EXPECT_EQ(CodeOf(AddDeltas({{Chunk(12), {Chunk(0), Chunk(2)}}})), 5066) << "damaged";
  EXPECT_FALSE(Find(12).live) << "nothing of it was added";
  EXPECT_TRUE(AddDeltas({{Chunk(12), {Chunk(3)}}}).ok());
}

TEST_F(CatalogDeltaTest, ASnapshotReferencesTheBasesOfItsDeltas) {
  EXPECT_EQ(
      CodeOf(catalog_->CommitSnapshot(FullCommit(1, 1, Sorted({Chunk(0), Chunk(10)})), 7).status()),
      5067);
  ExpectCommitted(FullCommit(1, 1, Sorted({Chunk(0), Chunk(1), Chunk(2), Chunk(10)})));
  EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(Difference(1, 2, {}, {Chunk(1)}), 7).status()), 5067)
      << "a kept delta loses its base";
  EXPECT_EQ(
      CodeOf(catalog_->CommitSnapshot(FullCommit(1, 2, Sorted({Chunk(0), Chunk(10)})), 7).status()),
      5067);
  ExpectReferences(1, 1, Sorted({Chunk(0), Chunk(1), Chunk(2), Chunk(10)}));
  // A base may go together with its last delta.
  ExpectCommitted(Difference(1, 2, {Chunk(11)}, Sorted({Chunk(0), Chunk(10)})));
  ExpectCommitted(Difference(1, 3, {}, Sorted({Chunk(1), Chunk(11)})));
  ExpectReferences(1, 3, {Chunk(2)});
}

TEST_F(CatalogDeltaTest, ACommitInBatchesSeesADeltaThatGotAnotherBaseMeanwhile) {
  Switches& switches = static_cast<SqliteCatalog&>(*catalog_).switches();
  switches.commit_batch = 1;
  int pauses = 0;
  bool replaced = false;
  switches.between_transactions = [&] {
    if (++pauses != 4) return;  // planned, two batches, and the bases were looked at: all is well
    replaced = catalog_->MarkBad(domain_, Chunk(11)).ok() &&
               AddDeltas({{Chunk(11), {Chunk(2)}}}).ok() && Find(11).bases == Ids{Chunk(2)};
  };
  EXPECT_EQ(
      CodeOf(catalog_->CommitSnapshot(FullCommit(1, 1, Sorted({Chunk(1), Chunk(11)})), 7).status()),
      5067);
  EXPECT_TRUE(replaced);
  switches.between_transactions = nullptr;
  ExpectCommitted(FullCommit(1, 1, Sorted({Chunk(2), Chunk(11)})));
}

TEST_F(CatalogDeltaTest, ALostBaseTakesItsDeltasWithItAndBringsThemBack) {
  ExpectCommitted(FullCommit(1, 1, Sorted({Chunk(0), Chunk(1), Chunk(10), Chunk(11)})));
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(0)).ok());
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(1)).ok());
  EXPECT_FALSE(Find(10).live);
  EXPECT_FALSE(Find(11).live);
  const absl::Status located = catalog_->Locate(domain_, {Chunk(11)}).status();
  EXPECT_EQ(KindOf(located), ErrorKind::kIntegrity);
  EXPECT_NE(MessageOf(located).find(Chunk(1).hex()), std::string::npos) << "names the base";
  const auto refused = catalog_->CommitSnapshot(Difference(1, 2, {}, {}), 7);
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->missing, Sorted({Chunk(0), Chunk(1), Chunk(10), Chunk(11)}));
  AddPack(1, {Chunk(1)});
  EXPECT_TRUE(Find(11).live) << "its only base is back";
  EXPECT_FALSE(Find(10).live) << "it lacks another one";
  AddPack(1, {Chunk(0)});
  EXPECT_TRUE(Find(10).live);
  ExpectCommitted(Difference(1, 2, {}, {}));
}

TEST_F(CatalogDeltaTest, ADeltaStoredAgainAsPlainNeedsItsBaseNoMore) {
  ExpectCommitted(FullCommit(1, 1, Sorted({Chunk(1), Chunk(11)})));
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(1)).ok());
  AddPack(1, {Chunk(11)});
  EXPECT_TRUE(Find(11).live);
  EXPECT_TRUE(Find(11).bases.empty());
  ExpectCommitted(Difference(1, 2, {}, {Chunk(1)}));
  ExpectReferences(1, 2, {Chunk(11)});
}

TEST_F(CatalogDeltaTest, ADamagedDeltaIsNotRevivedByItsBase) {
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(11)).ok());
  ASSERT_TRUE(catalog_->MarkBad(domain_, Chunk(1)).ok());
  AddPack(1, {Chunk(1)});
  EXPECT_FALSE(Find(11).live);
  EXPECT_TRUE(Find(10).live);
}

TEST_F(CatalogDeltaTest, APackThatWasGivenUpTakesTheDeltasOfItsChunksWithIt) {
  const std::int64_t row = catalog_->AddOpenPack(domain_, ++pack_number_).value();
  ASSERT_TRUE(catalog_->AddChunks(row, Entries({Chunk(20)}), {}).ok());
  ASSERT_TRUE(AddDeltas({{Chunk(21), {Chunk(20)}}, {Chunk(22), {Chunk(2)}}}).ok());
  ASSERT_TRUE(catalog_->ForgetPack(row).ok());
  EXPECT_FALSE(Find(20).live);
  EXPECT_FALSE(Find(21).live);
  EXPECT_TRUE(Find(22).live);
}

}  // namespace
}  // namespace holdfast::catalog
