// Goal: what the source writes for ordinary trees: order, metadata, reuse, links, holes, lanes.
#include "agent/source/files/files_source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/source/files/file_metadata.h"
#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

using Moment = MeddlingBuilder::Moment;
using testing::ElementsAre;

std::vector<std::string> PathsOf(const MemorySnapshot& snapshot) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : snapshot.entries()) paths.push_back(path);
  return paths;
}

class FilesSourceTest : public testing::Test {
 protected:
  void MakeDirectory(const std::string& path) {
    ASSERT_EQ(::mkdir((root_ / path).c_str(), 0755), 0);
  }
  source::FilesOptions Options() const {
    source::FilesOptions options;
    options.root = root_.path();
    return options;
  }

  TempDir root_;
};

TEST_F(FilesSourceTest, WalksInManifestOrder) {
  for (const char* path : {"a", "a-b", "a/d"}) MakeDirectory(path);
  for (const char* path : {"a/x", "a/d/y", "a-b/z", "a.c", "b"}) WriteFileAt(root_ / path, path);
  std::vector<std::string> looked_up;
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot, [&](Moment moment, const std::string& path) {
                if (moment == Moment::kLookedUp) looked_up.push_back(path);
              }).ok());
  EXPECT_THAT(looked_up, ElementsAre("", "a/d/y", "a/x", "a-b/z", "a.c", "b"));
  EXPECT_THAT(PathsOf(snapshot),
              ElementsAre("", "a", "a/d", "a/d/y", "a/x", "a-b", "a-b/z", "a.c", "b"));
  EXPECT_EQ(snapshot.ContentOf("a/d/y"), "a/d/y");
}

TEST_F(FilesSourceTest, RecordsMetadata) {
  WriteFileAt(root_ / "f", "content");
  ASSERT_EQ(::chmod((root_ / "f").c_str(), 0640), 0);
  SetTime(root_ / "f", -5, 999);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot).ok());
  struct stat info {};
  ASSERT_EQ(::stat((root_ / "f").c_str(), &info), 0);
  const Entry& entry = snapshot.entries().at("f");
  EXPECT_EQ(entry.type, EntryType::kFile);
  EXPECT_EQ(entry.mode, 0640u);
  EXPECT_EQ(entry.user_id, info.st_uid);
  EXPECT_EQ(entry.user_name.empty(), false);
  EXPECT_EQ(entry.mtime_ns, -5'000'000'000 + 999);
  EXPECT_EQ(entry.inode, info.st_ino);
  EXPECT_EQ(entry.device_id, info.st_dev);
  EXPECT_EQ(entry.size_bytes, 7u);
  EXPECT_FALSE(entry.extents.has_value());
}

TEST_F(FilesSourceTest, ReusesUnchangedFilesWithoutOpeningThem) {
  WriteFileAt(root_ / "same", "same");
  WriteFileAt(root_ / "touched", "old");
  MemorySnapshot first;
  ASSERT_TRUE(BackUp(Options(), &first).ok());
  SetTime(root_ / "touched", 99, 0);
  WriteFileAt(root_ / "new", "new");
  MemorySnapshot second(&first);
  int opened = 0;
  ASSERT_TRUE(BackUp(Options(), &second, [&](Moment moment, const auto&) {
                if (moment == Moment::kBegun) ++opened;
              }).ok());
  EXPECT_EQ(opened, 2) << "touched and new";
  EXPECT_EQ(second.reused_count(), 1u);
  EXPECT_EQ(second.ContentOf("same"), "same");
}

TEST_F(FilesSourceTest, ChangeThatKeepsSizeAndTimeIsSeen) {
  WriteFileAt(root_ / "f", "aaaa");
  SetTime(root_ / "f", 1000, 0);
  MemorySnapshot first;
  ASSERT_TRUE(BackUp(Options(), &first).ok());
  WriteFileAt(root_ / "f", "bbbb");
  SetTime(root_ / "f", 1000, 0);
  MemorySnapshot second(&first);
  ASSERT_TRUE(BackUp(Options(), &second).ok());
  EXPECT_EQ(second.ContentOf("f"), "bbbb") << "ctime tells, also right after the first run";
}

TEST_F(FilesSourceTest, HardlinksKeepContentOnce) {
  MakeDirectory("d");
  WriteFileAt(root_ / "z", "content");
  ASSERT_EQ(::link((root_ / "z").c_str(), (root_ / "d/a").c_str()), 0);
  ASSERT_EQ(::link((root_ / "z").c_str(), (root_ / "m").c_str()), 0);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot).ok());
  EXPECT_EQ(snapshot.entries().at("d/a").type, EntryType::kFile);
  for (const char* path : {"m", "z"}) {
    EXPECT_EQ(snapshot.entries().at(path).type, EntryType::kHardlink);
    EXPECT_EQ(snapshot.entries().at(path).link_target, "d/a");
  }
  // The first name goes away: the next one holds the content, though its inode is unchanged.
  ASSERT_EQ(::unlink((root_ / "d/a").c_str()), 0);
  MemorySnapshot next(&snapshot);
  ASSERT_TRUE(BackUp(Options(), &next).ok());
  EXPECT_EQ(next.ContentOf("m"), "content");
  EXPECT_EQ(next.entries().at("z").link_target, "m");
}

TEST_F(FilesSourceTest, HolesAreExtents) {
  const UniqueFd fd(::open((root_ / "sparse").c_str(), O_WRONLY | O_CREAT, 0644));
  ASSERT_EQ(::ftruncate(fd.get(), 3 << 20), 0);
  ASSERT_EQ(::pwrite(fd.get(), std::string(4096, 'x').data(), 4096, 1 << 20), 4096);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot).ok());
  const Entry& entry = snapshot.entries().at("sparse");
  EXPECT_EQ(entry.size_bytes, 3u << 20);
  ASSERT_TRUE(entry.extents.has_value());
  ASSERT_EQ(entry.extents->size(), 1u);
  EXPECT_EQ((*entry.extents)[0], (Extent{1 << 20, 4096}));
  EXPECT_EQ(snapshot.ContentOf("sparse"), std::string(4096, 'x'));
}

TEST_F(FilesSourceTest, OnlyLargeFilesAreCutFromTheirNeighbours) {
  WriteFileAt(root_ / "a", "small");
  WriteFileAt(root_ / "b", "small");
  WriteFileAt(root_ / "c", std::string(1 << 20, 'c'));
  WriteFileAt(root_ / "d", "small");
  std::string moments;
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot, [&](Moment moment, const auto&) {
                if (moment == Moment::kBegun) moments += 'B';
                if (moment == Moment::kCut) moments += '|';
              }).ok());
  EXPECT_EQ(moments, "BB|B|B");
}

TEST_F(FilesSourceTest, IncludesBringTheirParentsAndNothingElse) {
  for (const char* path : {"a", "a/b", "a/other", "unused"}) MakeDirectory(path);
  for (const char* path : {"a/b/x.conf", "a/b/y.txt", "a/top", "unused/z"}) {
    WriteFileAt(root_ / path, path);
  }
  auto options = Options();
  options.include = {"**/*.conf"};
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(options, &snapshot).ok());
  EXPECT_THAT(PathsOf(snapshot), ElementsAre("", "a", "a/b", "a/b/x.conf"));

  options.include = {};
  options.exclude = {"a/b/", "**/z"};
  MemorySnapshot rest;
  ASSERT_TRUE(BackUp(options, &rest).ok());
  EXPECT_THAT(PathsOf(rest), ElementsAre("", "a", "a/other", "a/top", "unused"));
}

TEST_F(FilesSourceTest, OneFileMayBeTheRoot) {
  WriteFileAt(root_ / "only.yaml", "key: value");
  WriteFileAt(root_ / "neighbour", "x");
  auto options = Options();
  options.root = root_ / "only.yaml";
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(options, &snapshot).ok());
  EXPECT_THAT(PathsOf(snapshot), ElementsAre("only.yaml"));
  EXPECT_EQ(snapshot.ContentOf("only.yaml"), "key: value");
}

TEST_F(FilesSourceTest, CheckTellsWhatReadWouldRefuse) {
  auto options = Options();
  EXPECT_TRUE(source::FilesSource(options, RealClock()).Check({}).ok());
  options.exclude = {"../x"};
  EXPECT_EQ(ExitCodeOf(source::FilesSource(options, RealClock()).Check({})), 2);
  options = Options();
  options.root = root_ / "missing";
  EXPECT_EQ(CodeOf(source::FilesSource(options, RealClock()).Check({})), 2301);
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  options.root = root_ / "fifo";
  EXPECT_EQ(CodeOf(source::FilesSource(options, RealClock()).Check({})), 2301);
}

TEST_F(FilesSourceTest, LargeXattrsAreKept) {
  WriteFileAt(root_ / "f", "x");
  const std::string value(60'000, 'v');
  const bool stored =
      ::setxattr((root_ / "f").c_str(), "user.large", value.data(), value.size(), 0) == 0;
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(Options(), &snapshot).ok());
  // ext4 has room for 4 KiB only; where the value fits, it is kept whole.
  const source::Xattrs expected = stored ? source::Xattrs{{"user.large", value}} : source::Xattrs{};
  EXPECT_EQ(snapshot.entries().at("f").xattrs, expected);
}

TEST_F(FilesSourceTest, StopEndsTheWalk) {
  for (int i = 0; i < 20; ++i) WriteFileAt(root_ / std::to_string(i), "x");
  std::stop_source stop;
  MemorySnapshot snapshot;
  int begun = 0;
  MeddlingBuilder builder(snapshot, [&](Moment moment, const auto&) {
    if (moment == Moment::kBegun && ++begun == 3) stop.request_stop();
  });
  source::FilesSource files(Options(), RealClock());
  EXPECT_TRUE(absl::IsCancelled(files.Read(builder, stop.get_token()).status()));
  EXPECT_EQ(begun, 3);
}

}  // namespace
}  // namespace holdfast::test
