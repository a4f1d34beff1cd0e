// Goal: what Holdfast keeps on disk is replaced as a whole, read in full and never taken from a
// file that others may read.
#include "common/env/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

class FileSystemTest : public testing::Test {
 protected:
  unsigned ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  test::TempDir directory_;
  FileSystem& fs_ = RealFileSystem();
};

TEST_F(FileSystemTest, WriteAtomicallyReplacesAsAWhole) {
  const std::string path = directory_ / "state";
  ASSERT_TRUE(fs_.WriteAtomically(path, "a longer first version").ok());
  EXPECT_EQ(ModeOf(path), 0600u);
  ASSERT_TRUE(fs_.WriteAtomically(path + ".tmp", "left by a crash").ok());
  ASSERT_TRUE(fs_.WriteAtomically(path, "second", 0640).ok());
  EXPECT_EQ(fs_.ReadFile(path).value(), "second");
  EXPECT_EQ(ModeOf(path), 0640u);
  EXPECT_FALSE(fs_.Exists(path + ".tmp"));
}

TEST_F(FileSystemTest, FailedWriteLeavesTheOldContent) {
  const std::string path = directory_ / "state";
  ASSERT_TRUE(fs_.WriteAtomically(path, "old").ok());
  ASSERT_TRUE(fs_.MakeDirectories(path + ".tmp").ok());  // the temporary name cannot be used
  EXPECT_FALSE(fs_.WriteAtomically(path, "new").ok());
  EXPECT_EQ(fs_.ReadFile(path).value(), "old");
  EXPECT_EQ(ExitCodeOf(fs_.WriteAtomically(directory_ / "none/state", "x")), 6);
}

TEST_F(FileSystemTest, FullDiskIsNoSpace) {
  const auto full = fs_.OpenAppend("/dev/full");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(ExitCodeOf((*full)->Append("x")), 11);
}

TEST_F(FileSystemTest, FileAppendsReadsAndTruncates) {
  const std::string path = directory_ / "pack";
  const auto file = fs_.Create(path).value();
  EXPECT_EQ(ExitCodeOf(fs_.Create(path).status()), 7);
  ASSERT_TRUE(file->Append("hello ").ok());
  ASSERT_TRUE(fs_.OpenAppend(path).value()->Append("world").ok());
  EXPECT_EQ(file->ReadAt(4, 4).value(), "o wo");
  EXPECT_EQ(file->ReadAt(11, 0).value(), "");
  EXPECT_EQ(ExitCodeOf(file->ReadAt(8, 4).status()), 5) << "short read";
  EXPECT_EQ(file->Size().value(), 11u);
  ASSERT_TRUE(file->Truncate(5).ok());
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(fs_.ReadFile(path).value(), "hello");
  EXPECT_EQ(ExitCodeOf(fs_.OpenRead(directory_ / "none").status()), 6);
}

TEST_F(FileSystemTest, RenameDoesNotReplace) {
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "a", "A").ok());
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "b", "B").ok());
  EXPECT_EQ(ExitCodeOf(fs_.Rename(directory_ / "a", directory_ / "b")), 7);
  EXPECT_EQ(fs_.ReadFile(directory_ / "b").value(), "B");
  ASSERT_TRUE(fs_.Rename(directory_ / "a", directory_ / "c").ok());
  EXPECT_EQ(fs_.ReadFile(directory_ / "c").value(), "A");
  ASSERT_TRUE(fs_.Remove(directory_ / "c").ok());
  EXPECT_EQ(ExitCodeOf(fs_.Remove(directory_ / "c")), 6);
}

TEST_F(FileSystemTest, DirectoriesAreMadeAndListedByName) {
  ASSERT_TRUE(fs_.MakeDirectories(directory_ / "x/y/z").ok());
  ASSERT_TRUE(fs_.MakeDirectories(directory_ / "x/y/z").ok()) << "may be there already";
  EXPECT_EQ(ModeOf(directory_ / "x/y"), 0700u);
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "x/b", "").ok());
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "x/a", "").ok());
  const auto entries = fs_.List(directory_ / "x").value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[1].name, "b");
  EXPECT_EQ(entries[2].name, "y");
  EXPECT_TRUE(entries[2].is_directory);
  EXPECT_FALSE(entries[0].is_directory);
  EXPECT_EQ(ExitCodeOf(fs_.List(directory_ / "none").status()), 6);
  EXPECT_GT(fs_.FreeBytes(directory_.path()).value(), 0u);
}

TEST_F(FileSystemTest, ReadFileIsLimitedAndTakesPlainFilesOnly) {
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "a", Bytes(1'000, 'x')).ok());
  EXPECT_EQ(fs_.ReadFile(directory_ / "a", 1'000)->size(), 1'000u);
  EXPECT_EQ(ExitCodeOf(fs_.ReadFile(directory_ / "a", 999).status()), 2);
  EXPECT_EQ(ExitCodeOf(fs_.ReadFile(directory_.path()).status()), 2);
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ExitCodeOf(fs_.ReadFile(directory_ / "fifo").status()), 2) << "and does not wait";
}

TEST_F(FileSystemTest, SecretsNeedNarrowRights) {
  const std::string path = directory_ / "key";
  ASSERT_TRUE(fs_.WriteAtomically(path, "secret").ok());
  EXPECT_EQ(fs_.ReadSecret(path).value(), "secret");
  for (const unsigned mode : {0644u, 0640u, 0601u, 0610u, 0602u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const absl::Status status = fs_.ReadSecret(path).status();
    EXPECT_EQ(ExitCodeOf(status), 12) << mode;
    EXPECT_EQ(HintOf(status), "chmod 600 " + path);
  }
  ASSERT_EQ(::chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(fs_.ReadSecret(path).ok());
  if (::geteuid() == 0) {  // only root can give a file away
    ASSERT_EQ(::chown(path.c_str(), 12'345, 12'345), 0);
    EXPECT_EQ(ExitCodeOf(fs_.ReadSecret(path).status()), 12);
  }
}

TEST_F(FileSystemTest, SecretsAreNeitherLinksNorPipes) {
  ASSERT_TRUE(fs_.WriteAtomically(directory_ / "key", "secret").ok());
  ASSERT_EQ(::symlink("key", (directory_ / "link").c_str()), 0);
  EXPECT_EQ(ExitCodeOf(fs_.ReadSecret(directory_ / "link").status()), 12);
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(ExitCodeOf(fs_.ReadSecret(directory_ / "fifo").status()), 12);
  EXPECT_EQ(ExitCodeOf(fs_.ReadSecret(directory_.path()).status()), 12);
  EXPECT_EQ(ExitCodeOf(fs_.ReadSecret(directory_ / "none").status()), 6);
}

TEST_F(FileSystemTest, LockIsHeldUntilItGoes) {
  auto lock = DirectoryLock::Acquire(directory_ / "lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(ExitCodeOf(DirectoryLock::Acquire(directory_ / "lock").status()), 7);
  lock->reset();
  EXPECT_TRUE(DirectoryLock::Acquire(directory_ / "lock").ok());
}

TEST(PathTest, JoinAndParent) {
  EXPECT_EQ(JoinPath("/a", "b"), "/a/b");
  EXPECT_EQ(JoinPath("/a/", "b"), "/a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(ParentPath("/a/b"), "/a");
  EXPECT_EQ(ParentPath("/a/b/"), "/a");
  EXPECT_EQ(ParentPath("/a"), "/");
  EXPECT_EQ(ParentPath("a"), ".");
}

}  // namespace
}  // namespace holdfast
