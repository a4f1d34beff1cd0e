// Goal: whatever differs on disk from what the manifest says is found, named and told in words; a
// restored tree is only called whole because of this.
// Method: a tree is restored, one thing of it is changed behind the restore's back, and compared.
#include "agent/restore/files/entry_comparer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

using testing::HasSubstr;

constexpr std::size_t kHoleBytes = 1 << 20;

class EntryComparerTest : public testing::Test {
 protected:
  EntryComparerTest() {
    std::filesystem::create_directories(source_ + "/dir/sub");
    WriteFileAt(source_ + "/dir/file", std::string(300'000, 'f'));
    WriteFileAt(source_ + "/dir/sub/deep", "deep\n");
    EXPECT_EQ(::link((source_ + "/dir/file").c_str(), (source_ + "/hard").c_str()), 0);
    EXPECT_EQ(::symlink("dir/file", (source_ + "/soft").c_str()), 0);
    EXPECT_EQ(::mkfifo((source_ + "/fifo").c_str(), 0600), 0);
    EXPECT_EQ(::setxattr((source_ + "/dir/file").c_str(), "user.kind", "old", 3, 0), 0);
    WriteFileAt(source_ + "/sparse", "begin");
    EXPECT_EQ(::truncate((source_ + "/sparse").c_str(), kHoleBytes), 0);
    EXPECT_TRUE(BackUp(source_, &snapshot_).ok());
    options_.target = target_;
    const auto report = Restore(snapshot_, options_);
    EXPECT_TRUE(report.ok() && report->mismatches.empty()) << report.status();
  }

  std::string At(const std::string& path) const { return target_ + "/" + path; }

  // What a comparison of everything finds now.
  restore::RestoreReport Compare() {
    restore::RestoreLedger ledger;
    const restore::MetadataPolicy policy(options_, ledger);
    const UniqueFd target(::open(target_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    restore::EntryComparer comparer(target.get(), policy, ledger);
    std::vector<Entry> links;
    for (const auto& [path, entry] : snapshot_.entries()) {
      switch (entry.type) {
        case EntryType::kDirectory:
          comparer.CompareDirectory(entry);
          break;
        case EntryType::kFile:
          comparer.CompareFile(entry, path, restore::LinkTarget::kYes);
          break;
        case EntryType::kHardlink:
          links.push_back(entry);
          break;
        default:
          comparer.CompareSymlinkOrSpecial(entry, path);
      }
    }
    for (const Entry& link : links) comparer.CompareHardlink(link, link.path, link.link_target);
    return ledger.Report(target_);
  }

  void ExpectFound(const std::string& path, const std::string& words) {
    bool found = false;
    for (const Problem& problem : Compare().mismatches) {
      if (problem.path == path) {
        found = true;
        EXPECT_THAT(problem.reason, HasSubstr(words));
      }
    }
    EXPECT_TRUE(found) << path;
  }
  void Replace(const std::string& path, const std::function<int(const char*)>& make) {
    std::filesystem::remove_all(At(path));
    ASSERT_EQ(make(At(path).c_str()), 0) << path;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string target_ = directory_ / "target";
  MemorySnapshot snapshot_;
  restore::FilesRestoreOptions options_;
};

TEST_F(EntryComparerTest, NothingIsFoundWhereNothingDiffers) {
  const restore::RestoreReport report = Compare();
  EXPECT_TRUE(report.mismatches.empty()) << report.mismatches.front().reason;
  EXPECT_EQ(report.compared_items, 3u);
}

TEST_F(EntryComparerTest, FilesThatAreNotWhatTheyWere) {
  struct stat info {};
  ASSERT_EQ(::stat(At("dir/file").c_str(), &info), 0);
  const auto put = [&](std::size_t at, char byte) {
    const UniqueFd fd(::open(At("dir/file").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(at)), 1);
    const struct timespec times[2] = {{0, UTIME_OMIT}, info.st_mtim};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
  };
  for (const std::size_t at : {0, 150'000, 299'999}) {
    put(at, 'x');
    ExpectFound("dir/file", "its content differs");
    put(at, 'f');
    EXPECT_TRUE(Compare().mismatches.empty());
  }
  ASSERT_EQ(::chmod(At("dir/file").c_str(), 0600), 0);
  ExpectFound("dir/file", "mode is 0600 instead of");
  ASSERT_EQ(::chmod(At("dir/file").c_str(), info.st_mode & 07777), 0);
  ASSERT_EQ(::setxattr(At("dir/file").c_str(), "user.kind", "new", 3, 0), 0);
  ExpectFound("dir/file", "user.kind");
  ASSERT_EQ(::removexattr(At("dir/file").c_str(), "user.kind"), 0);
  ExpectFound("dir/file", "user.kind");
  ASSERT_EQ(::setxattr(At("dir/file").c_str(), "user.kind", "old", 3, 0), 0);
  ASSERT_EQ(::setxattr(At("dir/file").c_str(), "user.more", "", 0, 0), 0);
  ExpectFound("dir/file", "user.more");
  ASSERT_EQ(::removexattr(At("dir/file").c_str(), "user.more"), 0);
  SetTime(At("dir/file"), 1000, 1);
  ExpectFound("dir/file", "mtime in ns is 1000000000001");
  ASSERT_EQ(::truncate(At("dir/file").c_str(), 299'999), 0);
  ExpectFound("dir/file", "size is 299999 instead of 300000");
}

TEST_F(EntryComparerTest, OwnersAreComparedWhereTheyCanBeSet) {
  options_.numeric_ids = true;
  Entry& entry = snapshot_.mutable_entries()["dir/sub/deep"];
  entry.user_id += 1;
  entry.group_id += 2;
  if (::geteuid() != 0) {
    EXPECT_TRUE(Compare().mismatches.empty());
    return;
  }
  ExpectFound("dir/sub/deep", "user id is");
  ExpectFound("dir/sub/deep", "group id is");
}

TEST_F(EntryComparerTest, AHoleThatHasContent) {
  struct stat info {};
  ASSERT_EQ(::stat(At("sparse").c_str(), &info), 0);
  const UniqueFd fd(::open(At("sparse").c_str(), O_WRONLY | O_CLOEXEC));
  // Zeros are what a hole reads as, wherever they come from.
  const std::string zeros(8192, '\0');
  ASSERT_EQ(::pwrite(fd.get(), zeros.data(), zeros.size(), kHoleBytes / 2), 8192);
  const struct timespec times[2] = {{0, UTIME_OMIT}, info.st_mtim};
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  EXPECT_TRUE(Compare().mismatches.empty());
  ASSERT_EQ(::pwrite(fd.get(), "x", 1, kHoleBytes - 1), 1);
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  ExpectFound("sparse", "has content");
}

// The hole before the last extent, not only the one behind it.
TEST_F(EntryComparerTest, AHoleBetweenExtentsThatHasContent) {
  Entry& entry = snapshot_.mutable_entries().at("sparse");
  ASSERT_EQ(entry.extents->size(), 1u);
  ASSERT_EQ(entry.extents->front().offset_bytes, 0u);
  entry.extents->front().offset_bytes = 1;
  ExpectFound("sparse", "a hole at 0 has content");
}

TEST_F(EntryComparerTest, ADeviceOfAnotherNumber) {
  snapshot_.mutable_entries().at("fifo").device = 5;
  ExpectFound("fifo", "device is 0 instead of 5");
}

TEST_F(EntryComparerTest, WhatIsGoneOrOfAnotherType) {
  Replace("soft", [](const char* path) { return ::symlink("dir/other", path); });
  ExpectFound("soft", "it points elsewhere");
  Replace("soft", [](const char* path) { return ::symlink("dir/file/longer", path); });
  ExpectFound("soft", "it points elsewhere");
  Replace("soft", [](const char* path) { return ::mkfifo(path, 0600); });
  ExpectFound("soft", "it has another type");
  Replace("fifo", [](const char*) { return 0; });
  ExpectFound("fifo", "No such file");
  Replace("hard", [&](const char* path) {
    std::filesystem::copy_file(At("dir/file"), path);
    return 0;
  });
  ExpectFound("hard", "it is no link to 'dir/file'");
  Replace("hard", [](const char*) { return 0; });
  ExpectFound("hard", "No such file");
  Replace("dir/file", [](const char* path) { return ::mkfifo(path, 0600); });
  ExpectFound("dir/file", "it is no regular file");
  Replace("dir/file", [](const char*) { return 0; });
  ExpectFound("dir/file", "unable to read it back: No such file");
  Replace("dir/sub", [](const char*) { return 0; });
  ExpectFound("dir/sub", "No such file");
  ExpectFound("dir/sub/deep", "No such file");
  // A planted link is not followed.
  Replace("dir", [&](const char* path) { return ::symlink((source_ + "/dir").c_str(), path); });
  ExpectFound("dir", "dir");
  ExpectFound("dir/sub/deep", "dir");
}

TEST_F(EntryComparerTest, AReportNamesSoManyAndCountsTheRest) {
  restore::RestoreLedger ledger;
  constexpr std::size_t kMore = 7;
  for (std::size_t i = 0; i < restore::RestoreLedger::kListLimit + kMore; ++i) {
    ledger.Mismatch("f" + std::to_string(i), "its content differs");
  }
  const auto mismatches = ledger.Report(target_).mismatches;
  ASSERT_EQ(mismatches.size(), restore::RestoreLedger::kListLimit + 1);
  EXPECT_EQ(mismatches.back().reason, "and 7 more");
}

}  // namespace
}  // namespace holdfast::test
