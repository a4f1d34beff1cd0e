// Goal: a directory mounted inside itself is named and not entered again, whatever the source's
// options (fault row 85). The mount lives in a mount namespace of this process alone and ends with
// it.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "common/base/error.h"
#include "tests/support/files_support.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

TEST(MountLoopTest, Row85ADirectoryMountedInsideItselfIsNotEnteredAgain) {
  const TempDir directory;
  const std::string source = directory / "source";
  ASSERT_EQ(::mkdir(source.c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((source + "/loop").c_str(), 0755), 0);
  std::ofstream(source + "/file") << "content";
  ASSERT_TRUE(::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
      << "needs a mount namespace: root, or user namespaces allowed: " << std::strerror(errno);
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount(source.c_str(), (source + "/loop").c_str(), nullptr, MS_BIND, nullptr), 0);

  for (const bool one_file_system : {true, false}) {
    source::FilesOptions options;
    options.root = source;
    options.one_file_system = one_file_system;
    MemorySnapshot snapshot;
    source::FilesSource files(options, RealClock());
    const auto result = files.Read(snapshot, {});
    ASSERT_TRUE(result.ok()) << Render(result.status());
    EXPECT_EQ(snapshot.entries().count("file"), 1u);
    EXPECT_EQ(snapshot.entries().count("loop/file"), 0u);
    ASSERT_EQ(snapshot.skipped().size(), 1u);
    EXPECT_EQ(snapshot.skipped()[0].path, "loop");
    EXPECT_NE(snapshot.skipped()[0].reason.find("mounted inside itself"), std::string::npos)
        << snapshot.skipped()[0].reason;
  }
  EXPECT_EQ(::umount2((source + "/loop").c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace holdfast::test
