// Goal: what a restore does to its target: overwriting, selecting, damage, proof, leftovers.
#include "agent/restore/files/files_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/base/error.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/no_more_threads.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

using Overwrite = restore::FilesRestoreOptions::Overwrite;
using testing::ElementsAre;

class FilesSinkTest : public testing::Test {
 protected:
  FilesSinkTest() {
    std::filesystem::create_directories(source_ + "/conf/deep");
    std::filesystem::create_directories(source_ + "/data");
    WriteFileAt(source_ + "/conf/a.conf", "a = 1\n");
    WriteFileAt(source_ + "/conf/deep/b.conf", "b = 2\n");
    WriteFileAt(source_ + "/data/large", std::string(300'000, 'L'));
    EXPECT_EQ(::link((source_ + "/data/large").c_str(), (source_ + "/data/same").c_str()), 0);
    EXPECT_EQ(::symlink("conf/a.conf", (source_ + "/link").c_str()), 0);
    SetTime(source_ + "/conf", 1000, 1);
    EXPECT_TRUE(BackUp(source_, &snapshot_).ok());
    options_.target = target_;
  }

  // Every path below the target, sorted.
  std::vector<std::string> TargetPaths() const {
    std::vector<std::string> paths;
    for (const auto& item : std::filesystem::recursive_directory_iterator(target_)) {
      paths.push_back(item.path().string().substr(target_.size() + 1));
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string target_ = directory_ / "some/target";
  MemorySnapshot snapshot_;
  restore::FilesRestoreOptions options_;
};

TEST_F(FilesSinkTest, RestoresAndComparesEverything) {
  const auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_EQ(report->restored_entries, 9u);
  EXPECT_EQ(report->restored_bytes, 300'012u);
  EXPECT_EQ(report->compared_items, 3u);
  EXPECT_EQ(report->target, target_);
  EXPECT_EQ(TreeDifferences(source_, target_), "");
}

TEST_F(FilesSinkTest, WithoutAThreadItFailsWithWhatMayPass) {
  {
    const NoMoreThreads refuse;
    const auto report = Restore(snapshot_, options_);
    EXPECT_EQ(CodeOf(report.status()), 1030) << report.status();
    EXPECT_TRUE(IsRetryable(report.status()));
  }
  for (const auto& item : std::filesystem::recursive_directory_iterator(target_)) {
    EXPECT_FALSE(item.is_regular_file()) << item.path();
  }
  options_.overwrite = Overwrite::kAll;
  ASSERT_TRUE(Restore(snapshot_, options_).ok());
  EXPECT_EQ(TreeDifferences(source_, target_), "");
}

TEST_F(FilesSinkTest, NonEmptyTargetIsRefusedUntouched) {
  ASSERT_TRUE(Restore(snapshot_, options_).ok());
  WriteFileAt(target_ + "/conf/a.conf", "mine");
  const absl::Status status = Restore(snapshot_, options_).status();
  EXPECT_EQ(ExitCodeOf(status), 4);
  EXPECT_EQ(CodeOf(status), 3007);
  EXPECT_EQ(ReadFileAt(target_ + "/conf/a.conf"), "mine");
}

TEST_F(FilesSinkTest, OverwriteChangedReplacesOnlyWhatDiffers) {
  ASSERT_TRUE(Restore(snapshot_, options_).ok());
  WriteFileAt(target_ + "/conf/a.conf", "changed");
  WriteFileAt(target_ + "/surplus", "stays");
  // Same size and time, other content: only reading tells.
  WriteFileAt(target_ + "/conf/deep/b.conf", "b = 3\n");
  const Entry& entry = snapshot_.entries().at("conf/deep/b.conf");
  SetTime(target_ + "/conf/deep/b.conf", entry.mtime_ns / 1'000'000'000,
          entry.mtime_ns % 1'000'000'000);
  options_.overwrite = Overwrite::kChanged;
  auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_EQ(ReadFileAt(target_ + "/surplus"), "stays");
  ASSERT_EQ(::unlink((target_ + "/surplus").c_str()), 0);
  SetTime(target_, snapshot_.entries().at("").mtime_ns / 1'000'000'000,
          snapshot_.entries().at("").mtime_ns % 1'000'000'000);
  EXPECT_EQ(TreeDifferences(source_, target_), "");

  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat((target_ + "/conf/a.conf").c_str(), &before), 0);
  ASSERT_TRUE(Restore(snapshot_, options_).ok());
  ASSERT_EQ(::stat((target_ + "/conf/a.conf").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "an equal file is not written again";
  options_.overwrite = Overwrite::kAll;
  report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok() && StatusOf(*report).ok());
  ASSERT_EQ(::stat((target_ + "/conf/a.conf").c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino);
  EXPECT_EQ(TreeDifferences(source_, target_), "");
}

TEST_F(FilesSinkTest, ChosenPathsBringTheirParents) {
  options_.paths = {"conf/deep"};
  auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_THAT(TargetPaths(), ElementsAre("conf", "conf/deep", "conf/deep/b.conf"));
  EXPECT_EQ(report->compared_items, 1u);
  struct stat info {};
  ASSERT_EQ(::stat((target_ + "/conf").c_str(), &info), 0);
  EXPECT_EQ(info.st_mtim.tv_sec, 1000) << "a parent's own metadata comes along";

  RemoveTree(target_);
  options_.paths = {"**/*.conf", "link"};
  report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_THAT(TargetPaths(),
              ElementsAre("conf", "conf/a.conf", "conf/deep", "conf/deep/b.conf", "link"));
}

TEST_F(FilesSinkTest, PathThatMatchesNothingIsNotFound) {
  options_.paths = {"conf", "missing/*"};
  const absl::Status status = Restore(snapshot_, options_).status();
  EXPECT_EQ(ExitCodeOf(status), 6);
  EXPECT_EQ(CodeOf(status), 3302);
  EXPECT_FALSE(std::filesystem::exists(target_)) << "not even an empty directory";
}

TEST_F(FilesSinkTest, HardlinkChosenWithoutItsFirstNameHasTheContent) {
  ASSERT_EQ(snapshot_.entries().at("data/same").type, EntryType::kHardlink);
  options_.paths = {"data/same"};
  const auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_THAT(TargetPaths(), ElementsAre("data", "data/same"));
  EXPECT_EQ(ReadFileAt(target_ + "/data/same"), std::string(300'000, 'L'));
}

TEST_F(FilesSinkTest, DamageStopsTheRestoreAndLeavesNoHalfFile) {
  snapshot_.FailReadOf("data/large");
  const absl::Status status = Restore(snapshot_, options_).status();
  EXPECT_EQ(ExitCodeOf(status), 5);
  EXPECT_NE(MessageOf(status).find("data/large"), std::string::npos) << MessageOf(status);
  for (const std::string& path : TargetPaths()) {
    EXPECT_EQ(path.find(".holdfast-restore"), std::string::npos) << path;
    EXPECT_NE(path, "data/large");
  }
}

TEST_F(FilesSinkTest, DamageIsLeftOutOnDemandWithItsLinks) {
  snapshot_.FailReadOf("data/large");
  options_.skip_bad = true;
  const auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
  ASSERT_EQ(report->skipped.size(), 2u);
  EXPECT_EQ(report->skipped[0].path, "data/large");
  EXPECT_EQ(report->skipped[1].path, "data/same");
  EXPECT_THAT(TargetPaths(),
              ElementsAre("conf", "conf/a.conf", "conf/deep", "conf/deep/b.conf", "data", "link"));
}

TEST_F(FilesSinkTest, ContentThatIsNotTheManifestsIsAMismatch) {
  snapshot_.SetContent("conf/a.conf", "a = 9\n");  // as long, not the same
  const auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 5);
  ASSERT_EQ(report->mismatches.size(), 1u);
  EXPECT_EQ(report->mismatches[0].path, "conf/a.conf");
}

TEST_F(FilesSinkTest, ContentOfTheWrongLengthIsDamage) {
  snapshot_.SetContent("conf/a.conf", "a");
  EXPECT_EQ(ExitCodeOf(Restore(snapshot_, options_).status()), 5);
  RemoveTree(target_);
  snapshot_.SetContent("conf/a.conf", "a = 1\nand more");
  EXPECT_EQ(ExitCodeOf(Restore(snapshot_, options_).status()), 5);
  EXPECT_FALSE(std::filesystem::exists(target_ + "/conf/a.conf"));
}

TEST_F(FilesSinkTest, NoSpaceEndsTheRestoreWithoutLeftovers) {
  // A limit on the size of files stands for a full disk: the same answer, on every file system.
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit limited { 100'000, before.rlim_max };
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const absl::Status status = Restore(snapshot_, options_).status();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(ExitCodeOf(status), 11) << Render(status);
  for (const std::string& path : TargetPaths()) {
    EXPECT_EQ(path.find(".holdfast-restore"), std::string::npos) << path;
  }
}

TEST_F(FilesSinkTest, NamesWithPatternCharactersCanBeChosen) {
  WriteFileAt(source_ + "/[x]*", "odd");
  WriteFileAt(source_ + "/x", "plain");
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());
  options_.paths = {"[x]*"};
  ASSERT_TRUE(Restore(snapshot, options_).ok());
  EXPECT_EQ(ReadFileAt(target_ + "/[x]*"), "odd");
}

TEST_F(FilesSinkTest, DirectoryInTheWayOfAFileIsListed) {
  std::filesystem::create_directories(target_ + "/conf/a.conf/inside");
  options_.overwrite = Overwrite::kAll;
  const auto report = Restore(snapshot_, options_);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_EQ(report->skipped[0].path, "conf/a.conf");
  EXPECT_TRUE(std::filesystem::exists(target_ + "/conf/a.conf/inside")) << "nothing is deleted";
}

TEST_F(FilesSinkTest, StopEndsTheRestore) {
  std::stop_source stop;
  stop.request_stop();
  QuietProgress progress;
  EXPECT_TRUE(absl::IsCancelled(
      restore::RestoreFiles(snapshot_, options_, progress, stop.get_token()).status()));
}

}  // namespace
}  // namespace holdfast::test
