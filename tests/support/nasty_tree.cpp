#include "tests/support/nasty_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "common/env/process.h"
#include "common/env/unique_fd.h"

namespace holdfast::test {
namespace {

constexpr std::size_t kMiB = 1 << 20;

void MakeSparse(const std::string& path, std::size_t size,
                const std::vector<std::pair<std::size_t, std::string>>& data) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644));
  ASSERT_TRUE(fd.valid()) << path;
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  for (const auto& [offset, bytes] : data) {
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
}

void MakeSocket(const std::string& directory) {
  // Bound by a short relative name: sun_path is small.
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY));
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(parent.get()) + "/socket";
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
}

void MakeSpecials(const std::string& root) {
  ASSERT_EQ(::mkfifo((root + "/fifo").c_str(), 0640), 0);
  MakeSocket(root);
  ASSERT_EQ(::symlink("loop-b", (root + "/loop-a").c_str()), 0);
  ASSERT_EQ(::symlink("loop-a", (root + "/loop-b").c_str()), 0);
  ASSERT_EQ(::symlink(".", (root + "/self").c_str()), 0);
  ASSERT_EQ(::symlink("../../../etc/passwd", (root + "/outside").c_str()), 0);
  ASSERT_EQ(::symlink("bytes \x80\xff\n\x1b[31m", (root + "/link\xfe").c_str()), 0);
  SetTime(root + "/self", 1, 7);
}

void MakeXattrs(const std::string& root) {
  WriteFileAt(root + "/with-xattrs", "x");
  const std::string large(3000, 'v');
  if (::setxattr((root + "/with-xattrs").c_str(), "user.large", large.data(), large.size(), 0) !=
      0) {
    ASSERT_EQ(errno, ENOTSUP) << std::strerror(errno);
    return;
  }
  const std::string binary("\0\x01\xff", 3);
  ASSERT_EQ(::setxattr((root + "/with-xattrs").c_str(), "user.bytes", binary.data(), 3, 0), 0);
  ASSERT_EQ(::setxattr((root + "/with-xattrs").c_str(), "user.empty", "", 0, 0), 0);
  ASSERT_EQ(::setxattr(root.c_str(), "user.root", "1", 1, 0), 0);
  // u::rw- u:12345:r-- g::r-- m::r-- o::---, in the kernel's own form.
  const unsigned char acl[] = {2,    0, 0, 0,                           // version
                               1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff,   // owner
                               2,    0, 4, 0, 0x39, 0x30, 0,    0,      // user 12345
                               4,    0, 4, 0, 0xff, 0xff, 0xff, 0xff,   // group
                               0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,   // mask
                               0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};  // others
  WriteFileAt(root + "/with-acl", "x");
  ASSERT_EQ(::mkdir((root + "/with-default-acl").c_str(), 0755), 0);
  if (::setxattr((root + "/with-acl").c_str(), "system.posix_acl_access", acl, sizeof acl, 0) ==
      0) {
    WriteFileAt(root + "/with-default-acl/before", "x");
    ASSERT_EQ(::setxattr((root + "/with-default-acl").c_str(), "system.posix_acl_default", acl,
                         sizeof acl, 0),
              0);
    WriteFileAt(root + "/with-default-acl/inherits", "x");
  }
}

void MakeNames(const std::string& root) {
  for (const char* name :
       {"invalid-\xff\xfe-utf8", "new\nline", "esc\x1b[2J", " leading space", "-rf", "a", "a-b",
        "a.b", "A", "*?[x]\\", "\xc3\xa9", "e\xcc\x81", ".hidden"}) {
    WriteFileAt(root + "/" + name, name);
  }
  WriteFileAt(root + "/" + std::string(255, 'n'), "long name");
  ASSERT_EQ(::mkdir((root + "/dir\xff").c_str(), 0711), 0);
  WriteFileAt(root + "/dir\xff/a", "in a directory with an invalid name");
  ASSERT_EQ(::mkdir((root + "/empty-directory").c_str(), 01777), 0);
}

}  // namespace

void MakeNastyTree(const std::string& root, const NastyTreeOptions& options) {
  MakeNames(root);
  WriteFileAt(root + "/empty", "");
  WriteFileAt(root + "/one-byte", "1");
  WriteFileAt(root + "/large", std::string(3 * kMiB + 17, 'L'));
  MakeSparse(root + "/hole-at-start", 4 * kMiB, {{3 * kMiB, std::string(kMiB, 's')}});
  MakeSparse(root + "/hole-in-middle", 5 * kMiB,
             {{0, "begin"}, {4 * kMiB, std::string(kMiB, 'm')}});
  MakeSparse(root + "/hole-at-end", 4 * kMiB + 5, {{0, "data at the start"}});
  MakeSparse(root + "/all-hole", 64 * kMiB, {});
  MakeSparse(root + "/small-hole", 100, {});
  MakeXattrs(root);
  MakeSpecials(root);
  ASSERT_EQ(::mkdir((root + "/links").c_str(), 0755), 0);
  WriteFileAt(root + "/links/z-first-made", "one content");
  ASSERT_EQ(::link((root + "/links/z-first-made").c_str(), (root + "/links/b").c_str()), 0);
  ASSERT_EQ(::link((root + "/links/z-first-made").c_str(), (root + "/another-name").c_str()), 0);
  WriteFileAt(root + "/setuid", "#!/bin/true");
  ASSERT_EQ(::chmod((root + "/setuid").c_str(), 06755), 0);
  WriteFileAt(root + "/before-1970", "old");
  SetTime(root + "/before-1970", -1000, 123456789);
  WriteFileAt(root + "/nanoseconds", "new");
  SetTime(root + "/nanoseconds", 1700000000, 1);
  if (options.unreadable_modes) {
    WriteFileAt(root + "/mode-0", "secret");
    ASSERT_EQ(::chmod((root + "/mode-0").c_str(), 0), 0);
    ASSERT_EQ(::mkdir((root + "/mode-0-directory").c_str(), 0755), 0);
    WriteFileAt(root + "/mode-0-directory/inside", "secret too");
    ASSERT_EQ(::chown((root + "/mode-0-directory/inside").c_str(), 12345, 54321), 0);
    ASSERT_EQ(::chmod((root + "/mode-0-directory").c_str(), 0), 0);
  }
  MakeDeepTree(root + "/deep", options.depth);
  SetTime(root + "/links", 5, 5);
  SetTime(root, 1234567890, 987654321);
}

void MakeDeepTree(const std::string& path, int depth) {
  ASSERT_EQ(::mkdir(path.c_str(), 0755), 0);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY));
  for (int level = 0; level < depth; ++level) {
    ASSERT_EQ(::mkdirat(fd.get(), "d", 0755), 0) << level;
    const UniqueFd file(::openat(fd.get(), "z", O_WRONLY | O_CREAT, 0644));
    const std::string content = level % 500 == 0 ? "deep" : "";
    ASSERT_EQ(::write(file.get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    fd = UniqueFd(::openat(fd.get(), "d", O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(fd.valid());
  }
}

void RemoveTree(const std::string& path) {
  ProcessOptions options;
  options.argv = {"rm", "-rf", "--", path};
  (void)RunProcessForOutput(options, {});
}

std::string TreeDifferences(const std::string& expected, const std::string& actual,
                            const std::string& flags) {
  const std::string source = HOLDFAST_TEST_SUPPORT_DIR;
  ProcessOptions options;
  options.argv = {"sh",
                  "-c",
                  "python3 \"$0\" $1 \"$2\" \"$3\" 2>&1 || echo \"exit status $?\"",
                  source + "/compare_trees.py",
                  flags,
                  expected,
                  actual};
  auto output = RunProcessForOutput(options, {});
  if (!output.ok()) return output.status().ToString();
  return output->find(" entries equal\n") != std::string::npos ? "" : *output;
}

void WriteFileAt(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  ASSERT_TRUE(out.good()) << path;
}

std::string ReadFileAt(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void SetTime(const std::string& path, long seconds, long nanoseconds) {
  const struct timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

}  // namespace holdfast::test
