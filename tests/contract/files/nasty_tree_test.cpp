// Goal:   a tree with everything that is hard to keep comes back exactly.
// Method: back up, restore, and compare with a program that shares no code with either.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

class NastyTreeTest : public testing::Test {
 protected:
  NastyTreeTest() : is_root_(::geteuid() == 0) {
    EXPECT_EQ(::mkdir(source_.c_str(), 0755), 0);
    MakeNastyTree(source_, {.depth = 3000, .unreadable_modes = is_root_});
  }
  ~NastyTreeTest() override { RemoveTree(directory_.path()); }

  restore::FilesRestoreOptions Options() const {
    restore::FilesRestoreOptions options;
    options.target = target_;
    options.preserve_privileged = true;
    return options;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string target_ = directory_ / "target";
  const bool is_root_;
};

TEST_F(NastyTreeTest, ComesBackExactly) {
  ASSERT_EQ(::chmod((source_ + "/setuid").c_str(), is_root_ ? 06755 : 0755), 0);
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());
  EXPECT_TRUE(snapshot.skipped().empty()) << snapshot.skipped().front().path;
  EXPECT_LT(snapshot.ContentOf("all-hole").size(), 1u) << "holes are not content";
  EXPECT_EQ(snapshot.ContentOf("hole-in-middle").size(), (1u << 20) + 4096);

  const auto report = Restore(snapshot, Options());
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_TRUE(report->warnings.empty()) << report->warnings.front();
  EXPECT_EQ(report->restored_entries, snapshot.entries().size());
  EXPECT_EQ(TreeDifferences(source_, target_), "");
}

TEST_F(NastyTreeTest, SecondRunReusesEveryFileAndGivesTheSameSnapshot) {
  MemorySnapshot first;
  ASSERT_TRUE(BackUp(source_, &first).ok());
  MemorySnapshot second(&first);
  ASSERT_TRUE(BackUp(source_, &second).ok());
  EXPECT_EQ(second.read_bytes(), 0u);
  ASSERT_EQ(second.entries().size(), first.entries().size());
  for (const auto& [path, entry] : first.entries()) {
    EXPECT_EQ(EncodeEntry(second.entries().at(path)), EncodeEntry(entry)) << Escaped(path);
  }
}

TEST_F(NastyTreeTest, ComparisonProgramSeesEveryKindOfDifference) {
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source_, &snapshot).ok());
  ASSERT_TRUE(Restore(snapshot, Options()).ok());
  ASSERT_EQ(::chmod((target_ + "/large").c_str(), 0600), 0);
  SetTime(target_ + "/dir\xff", 1, 1);
  ASSERT_EQ(::unlink((target_ + "/links/b").c_str()), 0);
  WriteFileAt(target_ + "/links/b", "one content");
  WriteFileAt(target_ + "/surplus", "");
  ASSERT_EQ(::truncate((target_ + "/one-byte").c_str(), 0), 0);
  ASSERT_EQ(::unlink((target_ + "/fifo").c_str()), 0);
  const std::string differences = TreeDifferences(source_, target_);
  for (const char* expected : {"b'large': mode", "b'dir\\xff': mtime", "hardlinks differ",
                               "b'surplus': unexpected", "b'one-byte': size", "b'fifo': missing"}) {
    EXPECT_NE(differences.find(expected), std::string::npos) << expected << " in " << differences;
  }
}

}  // namespace
}  // namespace holdfast::test
