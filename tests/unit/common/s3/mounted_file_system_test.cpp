// Goal: a bucket behaves as the directory that it stands for, and only its own controller writes to
// it.
#include "common/s3/mounted_file_system.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/bucket/fake_bucket.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/set_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::s3 {
namespace {

class MountTest : public testing::Test {
 protected:
  void SetUp() override { Take(); }
  void Take() {
    auto claim = Claim::Take(env_, client_, directory_ / "store-claim", "here", false);
    ASSERT_TRUE(claim.ok()) << claim.status();
    claim_ = *std::move(claim);
    fs_ = std::make_unique<MountedFileSystem>(disk_, clock_, directory_ / "store", client_,
                                              claim_.get());
  }
  std::string Below(const std::string& key) { return directory_ / ("store/" + key); }

  test::TempDir directory_;
  FileSystem& disk_ = RealFileSystem();
  test::SetClock clock_;
  test::SeededRng rng_{5};
  Env env_{clock_, rng_, disk_};
  test::FakeBucket bucket_;
  Client client_{env_, bucket_.options()};
  std::unique_ptr<Claim> claim_;
  std::unique_ptr<MountedFileSystem> fs_;
};

TEST_F(MountTest, WhatIsBelowTheMountIsInTheBucketAndTheRestOnTheDisk) {
  ASSERT_EQ(fs_->WriteAtomically(Below("a/b"), "in the bucket", 0600), absl::OkStatus());
  ASSERT_EQ(fs_->WriteAtomically(directory_ / "storefront", "on the disk", 0600), absl::OkStatus());
  EXPECT_EQ(bucket_.objects()["a/b"], "in the bucket");
  EXPECT_EQ(*disk_.ReadFile(directory_ / "storefront"), "on the disk");
  EXPECT_FALSE(disk_.Exists(directory_ / "store"));
  EXPECT_EQ(*fs_->ReadFile(Below("a/b"), 100), "in the bucket");
  EXPECT_EQ(*fs_->ReadFile(directory_ / "storefront", 100), "on the disk");
  EXPECT_TRUE(fs_->Exists(Below("a/b")));
  EXPECT_FALSE(fs_->Exists(Below("a/c")));
  EXPECT_TRUE(fs_->Exists(Below("a")));
  EXPECT_TRUE(fs_->Exists(directory_ / "store"));
  EXPECT_TRUE(fs_->IsObjectStore(Below("a")));
  EXPECT_FALSE(fs_->IsObjectStore(directory_ / "storefront"));
  const auto entries = fs_->List(directory_ / "store");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_TRUE((*entries)[0].is_directory);
  EXPECT_EQ((*entries)[1].name, "claim");
  EXPECT_EQ(fs_->Remove(Below("a/b")), absl::OkStatus());
  EXPECT_FALSE(bucket_.objects().contains("a/b"));
  EXPECT_TRUE(absl::IsNotFound(fs_->OpenRead(Below("a/b")).status()));
  EXPECT_GT(*fs_->FreeBytes(Below("")), 1ull << 60);
  EXPECT_LT(*fs_->FreeBytes(directory_ / ""), 1ull << 60);
}

TEST_F(MountTest, RenameOntoTheMountLeavesTheFileUntilTheObjectIsThere) {
  const Bytes content = rng_.Draw(300'000);
  const std::string from = directory_ / "1.open";
  ASSERT_EQ(disk_.WriteAtomically(from, content), absl::OkStatus());
  bucket_.Fail(403, "AccessDenied", 1, "PUT");
  EXPECT_FALSE(fs_->Rename(from, Below("packs/x")).ok());
  EXPECT_TRUE(disk_.Exists(from));
  EXPECT_EQ(fs_->Rename(from, Below("packs/x")), absl::OkStatus());
  EXPECT_FALSE(disk_.Exists(from));
  EXPECT_EQ(bucket_.objects()["packs/x"], content);
  // Once more, after a death between the two: nothing to do but to remove the file.
  ASSERT_EQ(disk_.WriteAtomically(from, content), absl::OkStatus());
  EXPECT_EQ(fs_->Rename(from, Below("packs/x")), absl::OkStatus());
  EXPECT_FALSE(disk_.Exists(from));
  // One that is damaged there is replaced.
  bucket_.Set("packs/x", "torn");
  ASSERT_EQ(disk_.WriteAtomically(from, content), absl::OkStatus());
  EXPECT_EQ(fs_->Rename(from, Below("packs/x")), absl::OkStatus());
  EXPECT_EQ(bucket_.objects()["packs/x"], content);
}

TEST_F(MountTest, ReadsAheadAndForgets) {
  const Bytes content = rng_.Draw(9 << 20);
  bucket_.Set("packs/x", content);
  const auto file = fs_->OpenRead(Below("packs/x"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->Size(), content.size());
  const int before = bucket_.requests();
  for (std::size_t at = 0; at + 100'000 <= content.size(); at += 100'000) {
    ASSERT_EQ(*(*file)->ReadAt(at, 100'000), content.substr(at, 100'000)) << at;
  }
  EXPECT_EQ(bucket_.requests() - before, 4);  // 100,000 bytes, then 4 MiB each
  EXPECT_EQ(CodeOf((*file)->ReadAt(content.size() - 10, 11).status()), 5103);
  // What changes behind our back is seen after a while, what we change at once.
  bucket_.Set("packs/x", std::string(content.size(), 'z'));
  EXPECT_EQ(*(*file)->ReadAt(5, 3), content.substr(5, 3));
  clock_.running += ReadAhead::kKept + absl::Seconds(1);
  EXPECT_EQ(*(*file)->ReadAt(5, 3), "zzz");
  ASSERT_EQ(fs_->WriteAtomically(Below("packs/x"), "short", 0600), absl::OkStatus());
  EXPECT_EQ(*(*file)->ReadAt(0, 5), "short");
}

TEST_F(MountTest, WhatABucketCannotDoIsSaid) {
  for (const absl::Status& status :
       {fs_->Create(Below("x")).status(), fs_->OpenAppend(Below("x")).status(),
        fs_->Rename(Below("x"), directory_ / "y"), fs_->ReadSecret(Below("x")).status()}) {
    EXPECT_EQ(CodeOf(status), 5109) << status;
  }
  EXPECT_EQ(fs_->MakeDirectories(Below("x/y")), absl::OkStatus());
  EXPECT_EQ(fs_->SyncDirectory(Below("x")), absl::OkStatus());
}

TEST_F(MountTest, WithoutAClaimNothingIsWritten) {
  MountedFileSystem reader(disk_, clock_, directory_ / "store", client_, nullptr);
  EXPECT_EQ(CodeOf(reader.WriteAtomically(Below("x"), "x", 0600)), 5109);
  EXPECT_EQ(CodeOf(reader.Remove(Below("claim"))), 5109);
  EXPECT_TRUE(reader.Exists(Below("claim")));
}

TEST_F(MountTest, AnotherControllerIsRefusedUntilItTakesOver) {
  test::TempDir other;
  const std::string path = other / "store-claim";
  const absl::Status refused = Claim::Take(env_, client_, path, "there", false).status();
  EXPECT_EQ(KindOf(refused), ErrorKind::kConflict);
  EXPECT_NE(MessageOf(refused).find("'here'"), std::string::npos) << refused;
  ASSERT_EQ(fs_->WriteAtomically(Below("a"), "1", 0600), absl::OkStatus());

  const auto taken = Claim::Take(env_, client_, path, "there", true);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ((*taken)->Check(), absl::OkStatus());
  // The first one learns it within a minute, and for good.
  clock_.running += kCheckEvery;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(KindOf(fs_->WriteAtomically(Below("a"), "2", 0600)), ErrorKind::kConflict);
    EXPECT_EQ(KindOf(fs_->Remove(Below("a"))), ErrorKind::kConflict);
  }
  EXPECT_EQ(bucket_.objects()["a"], "1");
  EXPECT_EQ(*fs_->ReadFile(Below("a"), 10), "1");
  EXPECT_EQ(KindOf(Claim::Take(env_, client_, directory_ / "store-claim", "here", false).status()),
            ErrorKind::kConflict);
}

TEST_F(MountTest, AClaimThatCannotBeAskedForStopsWrites) {
  clock_.running += kCheckEvery;
  bucket_.Fail(403, "AccessDenied", 1'000'000, "GET");
  EXPECT_EQ(KindOf(fs_->WriteAtomically(Below("a"), "2", 0600)), ErrorKind::kPermission);
  EXPECT_FALSE(bucket_.objects().contains("a"));
  bucket_.Heal();
  EXPECT_EQ(fs_->WriteAtomically(Below("a"), "2", 0600), absl::OkStatus());
}

TEST_F(MountTest, SomethingElseInPlaceOfTheClaimIsNotOverwritten) {
  bucket_.Set("claim", "an object of somebody else");
  const absl::Status status =
      Claim::Take(env_, client_, directory_ / "store-claim", "here", false).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConflict);
  EXPECT_EQ(bucket_.objects()["claim"], "an object of somebody else");
  EXPECT_TRUE(disk_.WriteAtomically(directory_ / "store-claim", "torn").ok());
  EXPECT_EQ(KindOf(Claim::Take(env_, client_, directory_ / "store-claim", "here", false).status()),
            ErrorKind::kIntegrity);
}

}  // namespace
}  // namespace holdfast::s3
