// Goal: with the store in a bucket a service that fails loses no pack, and none is taken for
// damaged because of it.
#include <gtest/gtest.h>

#include "common/s3/mounted_file_system.h"
#include "tests/support/bucket/fake_bucket.h"
#include "tests/support/fast_clock.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/set_clock.h"
#include "tests/unit/controller/store/store_fixture.h"

namespace holdfast::store {
namespace {

class BucketStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    claim_ = *s3::Claim::Take(env_, client_, directory_ / "store-claim", "here", false);
    fs_ = std::make_unique<s3::MountedFileSystem>(RealFileSystem(), clock_, directory_ / "store",
                                                  client_, claim_.get());
    Reopen();
  }
  void Reopen(unsigned parity_percent = 0) {
    opened_ = {};
    opened_ = OpenStore(directory_.path(), *fs_, parity_percent);
    ASSERT_TRUE(opened_.store);
  }
  // A pack of three objects, filled and synced.
  std::unique_ptr<OpenPack> Fill() {
    auto pack = *opened_.store->CreatePack();
    for (int i = 0; i < 3; ++i) {
      objects_.push_back(MakeObject(40'000));
      entries_.push_back(*pack->Append(objects_.back().id, objects_.back().bytes));
    }
    EXPECT_EQ(pack->Sync(), absl::OkStatus());
    return pack;
  }
  std::string KeyOf(const PackName& name) const {
    return "packs/" + name.hex().substr(0, 2) + "/" + name.hex() + ".pack";
  }
  bool IsStaged(std::uint64_t number) const {
    return RealFileSystem().Exists(directory_ / ("staging/" + std::to_string(number) + ".open"));
  }

  test::TempDir directory_;
  test::SetClock clock_;
  test::SeededRng rng_{9};
  Env env_{clock_, rng_, RealFileSystem()};
  test::FakeBucket bucket_;
  s3::Client client_{env_, bucket_.options()};
  std::unique_ptr<s3::Claim> claim_;
  std::unique_ptr<s3::MountedFileSystem> fs_;
  Opened opened_;
  std::vector<SealedObject> objects_;
  std::vector<PackEntry> entries_;
};

TEST_F(BucketStoreTest, AFinishedPackIsInTheBucketAndReadsBack) {
  auto pack = Fill();
  const std::uint64_t number = pack->number();
  ExpectReadable(*opened_.store, PackName(), number, entries_, objects_);
  const auto name = pack->Finish();
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_FALSE(IsStaged(number));
  EXPECT_EQ(Sha256(bucket_.objects()[KeyOf(*name)]).view(), name->view());
  ExpectReadable(*opened_.store, *name, number, entries_, objects_);
  EXPECT_EQ(*opened_.store->CheckPack(*name, {}), PackCheck::kSound);
  EXPECT_EQ(opened_.store->PackKeys(*name)->size(), 1u);
  EXPECT_EQ(opened_.store->RemovePack(*name), absl::OkStatus());
  EXPECT_FALSE(bucket_.objects().contains(KeyOf(*name)));
}

TEST_F(BucketStoreTest, APackThatTheBucketDoesNotTakeWaitsAndIsMovedLater) {
  auto pack = Fill();
  const std::uint64_t number = pack->number();
  bucket_.Fail(503, "SlowDown", 1'000'000, "PUT");
  const auto failed = pack->Finish();
  EXPECT_EQ(KindOf(failed.status()), ErrorKind::kUnreachable) << failed.status();
  EXPECT_EQ(CodeOf(failed.status()), 5100);
  pack.reset();
  EXPECT_TRUE(IsStaged(number));
  EXPECT_FALSE(opened_.store->writable());
  ExpectReadable(*opened_.store, PackName(), number, entries_, objects_);
  EXPECT_FALSE(opened_.store->Probe().ok());

  std::vector<RecoveredPack> moved;
  EXPECT_FALSE(opened_.store->MoveRest(&moved).ok());
  EXPECT_TRUE(moved.empty());
  bucket_.Heal();
  EXPECT_EQ(opened_.store->Probe(), absl::OkStatus());
  ASSERT_EQ(opened_.store->MoveRest(&moved), absl::OkStatus());
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].number, number);
  EXPECT_EQ(moved[0].entries, entries_);
  EXPECT_FALSE(IsStaged(number));
  EXPECT_EQ(Sha256(bucket_.objects()[KeyOf(moved[0].name)]).view(), moved[0].name.view());
  // Who still asks for the open one is led to where it went.
  ExpectReadable(*opened_.store, PackName(), number, entries_, objects_);
  moved.clear();
  EXPECT_EQ(opened_.store->MoveRest(&moved), absl::OkStatus());
  EXPECT_TRUE(moved.empty());
}

// The object was in the bucket and the file gone when what followed failed: its mark tells the
// rest.
TEST_F(BucketStoreTest, AMoveThatFailedBehindItsObjectIsReportedOnce) {
  auto pack = Fill();
  const std::uint64_t number = pack->number();
  bucket_.Fail(503, "SlowDown", 1'000'000, "PUT");
  EXPECT_FALSE(pack->Finish().ok());
  pack.reset();
  bucket_.Heal();
  const std::string path = directory_ / ("staging/" + std::to_string(number) + ".open");
  const Bytes whole = *RealFileSystem().ReadFile(path);
  const PackName name = *PackName::From(Sha256(whole).view());
  bucket_.Set(KeyOf(name), whole);
  ASSERT_EQ(RealFileSystem().Remove(path), absl::OkStatus());

  std::vector<RecoveredPack> moved;
  ASSERT_EQ(opened_.store->MoveRest(&moved), absl::OkStatus());
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].name, name);
  EXPECT_EQ(moved[0].entries, entries_);
  EXPECT_EQ(opened_.store->Settle(number), absl::OkStatus());
  ExpectReadable(*opened_.store, name, number, entries_, objects_);
}

TEST_F(BucketStoreTest, ADeathBeforeTheMoveIsMendedAtTheNextStart) {
  auto pack = Fill();
  bucket_.Fail(503, "SlowDown", 1'000'000, "PUT");
  EXPECT_FALSE(pack->Finish().ok());
  pack.reset();
  bucket_.Heal();
  Reopen();
  ASSERT_EQ(opened_.recovered.size(), 1u);
  ExpectReadable(*opened_.store, opened_.recovered[0].name, 0, entries_, objects_);
}

TEST_F(BucketStoreTest, ARefusalIsToldWithItsReasonAndAsIt) {
  auto pack = Fill();
  bucket_.Fail(403, "InvalidAccessKeyId");
  const auto failed = pack->Finish();
  EXPECT_EQ(KindOf(failed.status()), ErrorKind::kPermission);
  EXPECT_NE(MessageOf(failed.status()).find("InvalidAccessKeyId"), std::string::npos);
  pack.reset();
  EXPECT_EQ(KindOf(opened_.store->ProbeAfterFailure()), ErrorKind::kPermission);
  bucket_.Heal();
  EXPECT_EQ(KindOf(opened_.store->Probe()), ErrorKind::kPermission);  // not asked again for a while
  clock_.running += s3::kRefusedTime;
  EXPECT_EQ(opened_.store->Probe(), absl::OkStatus());
  EXPECT_TRUE(opened_.store->writable());
}

// A pack is damaged when its bytes are, not when the service does not give them.
TEST_F(BucketStoreTest, AServiceThatDoesNotAnswerDamagesNothing) {
  const PackName name = *Fill()->Finish();
  Reopen();
  for (const auto& [status, code] : {std::pair(503, "SlowDown"), std::pair(403, "AccessDenied"),
                                     std::pair(403, "InvalidObjectState")}) {
    clock_.running += s3::ReadAhead::kKept + absl::Seconds(1);
    bucket_.Fail(status, code, 1'000'000, "GET");
    EXPECT_EQ(*opened_.store->CheckPack(name, {}), PackCheck::kNotNow) << code;
    const auto object =
        opened_.store->ReadObject(name, 0, entries_[0].offset_bytes, entries_[0].length_bytes);
    EXPECT_NE(KindOf(object.status()), ErrorKind::kIntegrity) << code << object.status();
    EXPECT_FALSE(absl::IsNotFound(object.status())) << code;
    bucket_.Heal();
    ExpectReadable(*opened_.store, name, 0, entries_, objects_);
  }
  EXPECT_EQ(*opened_.store->CheckPack(name, {}), PackCheck::kSound);
}

TEST_F(BucketStoreTest, DamageAndLossAreFound) {
  const PackName name = *Fill()->Finish();
  std::string bytes = bucket_.objects()[KeyOf(name)];
  bytes[entries_[1].offset_bytes + 300] ^= 1;
  bucket_.Set(KeyOf(name), bytes);
  EXPECT_EQ(*opened_.store->CheckPack(name, {}), PackCheck::kDamaged);
  EXPECT_TRUE(absl::IsDataLoss(
      opened_.store->ReadObject(name, 0, entries_[1].offset_bytes, entries_[1].length_bytes)
          .status()));
  EXPECT_EQ(*opened_.store->ReadObject(name, 0, entries_[0].offset_bytes, entries_[0].length_bytes),
            objects_[0].bytes);
  bucket_.Erase(KeyOf(name));
  clock_.running += s3::ReadAhead::kKept + absl::Seconds(1);
  EXPECT_EQ(*opened_.store->CheckPack(name, {}), PackCheck::kMissing);
}

TEST_F(BucketStoreTest, ParityWorksInABucketToo) {
  Reopen(2);
  const PackName name = *Fill()->Finish();
  const std::string whole = bucket_.objects()[KeyOf(name)];
  std::string bytes = whole;
  bytes[entries_[1].offset_bytes + 300] ^= 1;
  bucket_.Set(KeyOf(name), bytes);
  clock_.running += s3::ReadAhead::kKept + absl::Seconds(1);
  EXPECT_EQ(*opened_.store->CheckPack(name, {}), PackCheck::kRepaired);
  EXPECT_EQ(bucket_.objects()[KeyOf(name)], whole);
}

TEST_F(BucketStoreTest, DocumentsAreWrittenOnceAlsoWhenTheServiceFails) {
  const SourceId source = rng_.DrawFixed<SourceId>();
  Store& store = *opened_.store;
  ASSERT_EQ(PutRecord(store, source, 1, "record", "references"), absl::OkStatus());
  EXPECT_EQ(PutRecord(store, source, 1, "record", "references"), absl::OkStatus());
  EXPECT_EQ(KindOf(PutRecord(store, source, 1, "another", "references")), ErrorKind::kConflict);
  // Not to be asked is not to be absent.
  bucket_.Fail(503, "SlowDown", 1'000'000, "GET");
  EXPECT_EQ(KindOf(PutRecord(store, source, 1, "another", "references")), ErrorKind::kUnreachable);
  bucket_.Heal();
  EXPECT_EQ(*store.GetRecord(source, 1), "record");
  EXPECT_EQ(store.RemoveRecord(source, 1), absl::OkStatus());
  EXPECT_EQ(store.RemoveRecord(source, 1), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(store.GetRecord(source, 1).status()));
}

}  // namespace
}  // namespace holdfast::store
