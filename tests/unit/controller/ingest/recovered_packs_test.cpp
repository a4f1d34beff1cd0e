// Goal: whatever a dead controller left, the next one starts, and what was called STORED is there.
// Method: packs finished in the store and not in the catalog, damaged or half removed.
#include "controller/ingest/recovered_packs.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/temp_dir.h"

namespace holdfast::ingest {
namespace {

class RecoveredPacksTest : public testing::Test {
 protected:
  RecoveredPacksTest() { Open(); }

  void Open() {
    catalog_.reset();
    store_.reset();
    std::vector<store::RecoveredPack> recovered;
    store_ = store::Store::Open(RealEnv(), directory_.path(), &recovered, 0).value();
    catalog_ = catalog::Catalog::Open(RealEnv(), directory_ / "catalog.db").value();
    adopted_ = AdoptRecoveredPacks(*catalog_, *store_, recovered);
  }

  test::TempDir directory_;
  test::SealingDomain sealing_{5};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  absl::Status adopted_;
};

TEST_F(RecoveredPacksTest, AFinishedPackWithADamagedIndexDoesNotHinderTheStart) {
  const ChunkId id = sealing_.IdOf("content");
  PackName name;
  {
    const auto pack = store_->CreatePack().value();
    const auto row = catalog_->AddOpenPack(sealing_.domain(), pack->number()).value();
    const PackEntry entry = pack->Append(id, sealing_.Seal("content")).value();
    ASSERT_TRUE(pack->Sync().ok());
    ASSERT_TRUE(catalog_->AddChunks(row, {entry}, {}).ok());
    name = pack->Finish().value();  // and the controller dies
  }
  const std::string path = directory_ / ("store/" + layout::PackPath(name));
  Bytes bytes = RealFileSystem().ReadFile(path).value();
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  ASSERT_TRUE(RealFileSystem().WriteAtomically(path, bytes).ok());
  Open();
  ASSERT_TRUE(adopted_.ok()) << adopted_;
  const auto place = catalog_->Locate(sealing_.domain(), {id}).value().front();
  EXPECT_EQ(place.pack.name, name);
  EXPECT_TRUE(store_->ReadObject(name, 0, place.offset_bytes, place.length_bytes).ok())
      << "the object itself is whole";
  EXPECT_GT(catalog_->ListPacks().value().front().size_bytes, 0u);
}

TEST_F(RecoveredPacksTest, ACopyThatWasMadeTwiceIsOnePack) {
  const ChunkId id = sealing_.IdOf("content");
  const Bytes object = sealing_.Seal("content");
  PackName names[2];
  PackEntry entry;
  std::int64_t rows[2] = {};
  for (int i = 0; i < 2; ++i) {
    const auto pack = store_->CreatePack().value();
    rows[i] = catalog_->AddOpenPack(sealing_.domain(), pack->number()).value();
    entry = pack->Append(id, object).value();
    names[i] = pack->Finish().value();
  }
  ASSERT_EQ(names[0], names[1]);
  // Of the first the catalog never heard that it is finished; the second went well.
  ASSERT_TRUE(catalog_->AddChunks(rows[1], {entry}, {}).ok());
  ASSERT_TRUE(catalog_->FinishPack(rows[1], names[1], 100).ok());
  Open();
  ASSERT_TRUE(adopted_.ok()) << adopted_;
  EXPECT_EQ(catalog_->GetTotals()->pack_count, 1u);
  const auto place = catalog_->Locate(sealing_.domain(), {id}).value().front();
  EXPECT_TRUE(store_->ReadObject(place.pack.name, 0, place.offset_bytes, place.length_bytes).ok());
}

// After a power cut the first block of a file may be zeros and a later one not.
TEST_F(RecoveredPacksTest, AFileWithoutItsBeginningIsKeptOnlyWhenSomethingInItWasStored) {
  for (const bool stored : {false, true}) {
    std::uint64_t number = 0;
    {
      const auto pack = store_->CreatePack().value();
      number = pack->number();
      const auto row = catalog_->AddOpenPack(sealing_.domain(), number).value();
      const PackEntry entry =
          pack->Append(sealing_.IdOf("content"), sealing_.Seal("content")).value();
      ASSERT_TRUE(pack->Sync().ok());
      if (stored) {
        ASSERT_TRUE(catalog_->AddChunks(row, {entry}, {}).ok());
      }
      const std::string path = directory_ / ("staging/" + std::to_string(number) + ".open");
      Bytes bytes = RealFileSystem().ReadFile(path).value();
      std::fill_n(bytes.begin(), 8, '\0');
      ASSERT_TRUE(RealFileSystem().WriteAtomically(path, bytes).ok());
    }
    Open();
    ASSERT_TRUE(adopted_.ok()) << adopted_;
    EXPECT_EQ(
        RealFileSystem().Exists(directory_ / ("staging/" + std::to_string(number) + ".damaged")),
        stored);
  }
}

TEST_F(RecoveredPacksTest, APackWhoseEmptyFileIsGoneIsGivenUp) {
  {
    const auto pack = store_->CreatePack().value();
    ASSERT_TRUE(catalog_->AddOpenPack(sealing_.domain(), pack->number()).ok());
  }
  EXPECT_EQ(catalog_->GetTotals()->pack_count, 1u);
  // As a start leaves it that was killed between the two: the file went, the row did not.
  catalog_.reset();
  store_.reset();
  std::vector<store::RecoveredPack> recovered;
  ASSERT_TRUE(store::Store::Open(RealEnv(), directory_.path(), &recovered, 0).ok());
  ASSERT_EQ(recovered.size(), 1u);
  Open();
  ASSERT_TRUE(adopted_.ok()) << adopted_;
  EXPECT_EQ(catalog_->GetTotals()->pack_count, 0u);
}

}  // namespace
}  // namespace holdfast::ingest
