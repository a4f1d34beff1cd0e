// Goal: what is larger or deeper than anybody expects comes back exactly (fault row 83).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

void ExpectComesBack(const std::string& source, const std::string& target) {
  MemorySnapshot snapshot;
  ASSERT_TRUE(BackUp(source, &snapshot).ok());
  EXPECT_TRUE(snapshot.skipped().empty()) << Escaped(snapshot.skipped().front().path, 200);
  restore::FilesRestoreOptions options;
  options.target = target;
  const auto report = Restore(snapshot, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(StatusOf(*report).ok()) << Render(StatusOf(*report));
  EXPECT_TRUE(report->warnings.empty());
  EXPECT_EQ(TreeDifferences(source, target), "");
}

// In memory where that is possible: depth is what counts here, and disks are slow at it.
TEST(ExtremesTest, Row83TenThousandLevelsComeBack) {
  TempDir on_disk;
  const std::string base = std::filesystem::exists("/dev/shm")
                               ? "/dev/shm/levels-" + std::to_string(::getpid())
                               : on_disk / "levels";
  ASSERT_EQ(::mkdir(base.c_str(), 0700), 0);
  ASSERT_EQ(::mkdir((base + "/source").c_str(), 0755), 0);
  UniqueFd at(::open((base + "/source").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int level = 0; level < 10'000; ++level) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = UniqueFd(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  const UniqueFd file(::openat(at.get(), "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(file.get(), "deep", 4), 4);
  ExpectComesBack(base + "/source", base + "/target");
  RemoveTree(base);
}

// 64 KiB is the kernel's limit. ext4 takes less; then the memory file system has to do, and where
// that takes none the largest value that fits does.
TEST(ExtremesTest, Row83TheLargestXattrComesBack) {
  TempDir on_disk;
  const std::string in_memory =
      std::filesystem::exists("/dev/shm") ? "/dev/shm/" + std::to_string(::getpid()) : "";
  std::size_t largest = 0;
  std::string base;
  for (const std::string& candidate : {in_memory, on_disk / "base"}) {
    if (candidate.empty() || ::mkdir(candidate.c_str(), 0700) != 0) continue;
    ASSERT_EQ(::mkdir((candidate + "/source").c_str(), 0755), 0);
    WriteFileAt(candidate + "/source/f", "x");
    for (std::size_t size = 65'536; size > largest; size /= 2) {
      if (::setxattr((candidate + "/source/f").c_str(), "user.large", Bytes(size, 'v').data(), size,
                     0) == 0) {
        largest = size;
        base = candidate;
      }
    }
  }
  ASSERT_GT(largest, 0u) << "no file system here takes an xattr";
  ExpectComesBack(base + "/source", base + "/target");
  Bytes value(largest, '\0');
  EXPECT_EQ(::getxattr((base + "/target/f").c_str(), "user.large", value.data(), value.size()),
            static_cast<ssize_t>(largest));
  EXPECT_EQ(value, Bytes(largest, 'v'));
  if (!in_memory.empty()) RemoveTree(in_memory);
}

TEST(ExtremesTest, Row83NamesOfAllBytesComeBack) {
  TempDir directory;
  ASSERT_EQ(::mkdir((directory / "source").c_str(), 0755), 0);
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    const std::string name = std::string(1, static_cast<char>(byte)) + "x";
    WriteFileAt(directory / "source/" + name, byte % 2 == 0 ? "" : name);
  }
  ExpectComesBack(directory / "source", directory / "target");
}

}  // namespace
}  // namespace holdfast::test
