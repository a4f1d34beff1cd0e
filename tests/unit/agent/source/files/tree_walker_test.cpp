// Goal: depth costs neither stack nor descriptors, and a tree that changes under the walk is told.
#include "agent/source/files/tree_walker.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::source {
namespace {

int OpenDescriptors() {
  int count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

class CountingVisitor final : public TreeVisitor {
 public:
  bool Wants(const std::string&, PathType) override { return true; }
  absl::StatusOr<Descend> VisitDirectory(const std::string& path, int,
                                         const struct stat&) override {
    ++directories;
    if (directories % 1000 == 0) most_open = std::max(most_open, OpenDescriptors());
    deepest = std::max(deepest, path.size());
    if (on_directory) on_directory(path);
    return Descend::kYes;
  }
  absl::Status VisitOther(const std::string& path, int directory_fd, const char* name,
                          const struct stat& info) override {
    struct stat again {};
    EXPECT_EQ(::fstatat(directory_fd, name, &again, AT_SYMLINK_NOFOLLOW), 0) << path.size();
    EXPECT_EQ(again.st_ino, info.st_ino);
    ++files;
    last_file = path;
    return absl::OkStatus();
  }
  absl::Status VisitUnreadable(const std::string& path, int error_number,
                               const struct stat*) override {
    unreadable.emplace_back(path, error_number);
    return absl::OkStatus();
  }

  int directories = 0;
  int files = 0;
  int most_open = 0;
  std::size_t deepest = 0;
  std::string last_file;
  std::vector<std::pair<std::string, int>> unreadable;
  std::function<void(const std::string&)> on_directory;
};

UniqueFd OpenDirectory(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

TEST(TreeWalkerTest, TenThousandLevels) {
  test::TempDir directory;
  test::MakeDeepTree(directory / "deep", 10'000);
  CountingVisitor visitor;
  const int open_before = OpenDescriptors();
  EXPECT_TRUE(TreeWalker(visitor).Walk(OpenDirectory(directory.path()), {}).ok());
  EXPECT_EQ(visitor.directories, 10'001);
  EXPECT_EQ(visitor.files, 10'000) << "each is visited on the way back up";
  EXPECT_EQ(visitor.last_file, "deep/z");
  EXPECT_TRUE(visitor.unreadable.empty());
  EXPECT_EQ(visitor.deepest, 4u + 2 * 10'000);
  EXPECT_LT(visitor.most_open, open_before + 80);
  EXPECT_EQ(OpenDescriptors(), open_before);
  test::RemoveTree(directory.path());
}

TEST(TreeWalkerTest, DirectoryMovedAwayWhileBelowItIsTold) {
  test::TempDir directory;
  test::MakeDeepTree(directory / "deep", 100);
  // At the bottom, more levels down than directories stay open, the second level moves elsewhere.
  CountingVisitor visitor;
  visitor.on_directory = [&](const std::string& path) {
    if (path.size() != 4 + 2 * 99) return;
    ASSERT_EQ(::rename((directory / "deep/d/d").c_str(), (directory / "elsewhere").c_str()), 0);
    ASSERT_EQ(::rename((directory / "deep/d").c_str(), (directory / "gone").c_str()), 0);
  };
  EXPECT_TRUE(TreeWalker(visitor).Walk(OpenDirectory(directory.path()), {}).ok());
  ASSERT_EQ(visitor.unreadable.size(), 1u);
  EXPECT_EQ(visitor.unreadable[0].first, "deep/d");
  EXPECT_EQ(visitor.unreadable[0].second, ESTALE);
  EXPECT_EQ(visitor.last_file, "deep/z") << "what is above is still complete";
}

}  // namespace
}  // namespace holdfast::source
