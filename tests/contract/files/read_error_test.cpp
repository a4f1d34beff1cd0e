// Goal: a disk that fails under a file is told by name and costs that file only (fault row 81).
// Method: pread of this program, in the place of the one in the C library, fails for one file.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/temp_dir.h"

namespace {

std::atomic<ino_t> failing_inode = 0;
std::atomic<off_t> failing_from = 0;
std::atomic<int> failing_errno = EIO;
std::atomic<int> failures = 0;

}  // namespace

extern "C" ssize_t pread64(int fd, void* buffer, size_t size, off_t offset) {
  struct stat info {};
  if (failing_inode != 0 && ::fstat(fd, &info) == 0 && info.st_ino == failing_inode &&
      offset >= failing_from) {
    ++failures;
    errno = failing_errno;
    return -1;
  }
  return ::syscall(SYS_pread64, fd, buffer, size, offset);
}

namespace holdfast::test {
namespace {

TEST(ReadErrorTest, Row81ABlockThatDoesNotReadIsListedAndTheRestIsKept) {
  TempDir directory;
  const std::string source = directory / "source";
  ASSERT_EQ(::mkdir(source.c_str(), 0755), 0);
  for (const char* name : {"a", "bad", "c"}) {
    WriteFileAt(source + "/" + name, Bytes(3u << 20, name[0]));
  }
  struct stat info {};
  ASSERT_EQ(::stat((source + "/bad").c_str(), &info), 0);
  for (const int error : {EIO, ESTALE}) {
    for (const off_t from : {off_t{0}, off_t{2} << 20}) {
      failing_errno = error;
      failing_from = from;
      failures = 0;
      failing_inode = info.st_ino;
      MemorySnapshot snapshot;
      const absl::Status status = BackUp(source, &snapshot);
      failing_inode = 0;
      ASSERT_TRUE(status.ok()) << Render(status);
      EXPECT_GE(failures, 1) << "the fault did not happen";
      ASSERT_EQ(snapshot.skipped().size(), 1u);
      EXPECT_EQ(snapshot.skipped()[0].path, "bad");
      const std::string expected = error == EIO ? std::strerror(EIO) : "replaced or moved";
      EXPECT_NE(snapshot.skipped()[0].reason.find(expected), std::string::npos)
          << snapshot.skipped()[0].reason;
      EXPECT_TRUE(snapshot.info().partial);
      EXPECT_EQ(snapshot.entries().count("bad"), 0u) << "half a file is no file";
      EXPECT_EQ(snapshot.ContentOf("a"), Bytes(3u << 20, 'a'));
      EXPECT_EQ(snapshot.ContentOf("c"), Bytes(3u << 20, 'c'));
    }
  }
}

}  // namespace
}  // namespace holdfast::test
