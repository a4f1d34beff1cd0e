#include "tests/unit/agent/restore/files/failing_call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace holdfast::test {
namespace {

std::atomic<Call> failing_call{};
std::atomic<int> failing_error{0};
std::atomic<int> failing_left{0};

// Sets errno when this call is to fail.
bool Fails(Call call) {
  if (failing_left == 0 || failing_call != call || failing_left.fetch_sub(1) <= 0) return false;
  errno = failing_error;
  return true;
}

}  // namespace

FailingCall::FailingCall(Call call, int error_number, int count) {
  failing_call = call;
  failing_error = error_number;
  failing_left = count;
}
FailingCall::~FailingCall() { failing_left = 0; }
int FailingCall::left() const { return failing_left; }

}  // namespace holdfast::test

using holdfast::test::Call;
using holdfast::test::Fails;

extern "C" {

int chmod(const char* path, mode_t mode) noexcept {
  if (Fails(Call::kChmod)) return -1;
  return static_cast<int>(::syscall(SYS_fchmodat, AT_FDCWD, path, mode));
}
int close(int fd) {
  const bool writes = (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
  const int result = static_cast<int>(::syscall(SYS_close, fd));
  return writes && Fails(Call::kClose) ? -1 : result;
}
int fchown(int fd, uid_t user, gid_t group) noexcept {
  if (Fails(Call::kFchown)) return -1;
  return static_cast<int>(::syscall(SYS_fchown, fd, user, group));
}
int fchownat(int directory, const char* name, uid_t user, gid_t group, int flags) noexcept {
  if (Fails(Call::kFchownat)) return -1;
  return static_cast<int>(::syscall(SYS_fchownat, directory, name, user, group, flags));
}
int fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) noexcept {
  if (Fails(Call::kFsetxattr)) return -1;
  return static_cast<int>(::syscall(SYS_fsetxattr, fd, name, value, size, flags));
}
int ftruncate(int fd, off_t size) noexcept {
  if (Fails(Call::kFtruncate)) return -1;
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
int mkdirat(int directory, const char* name, mode_t mode) noexcept {
  if (Fails(Call::kMkdirat)) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, directory, name, mode));
}
int mknodat(int directory, const char* name, mode_t mode, dev_t device) noexcept {
  if (Fails(Call::kMknodat)) return -1;
  return static_cast<int>(::syscall(SYS_mknodat, directory, name, mode, device));
}
int syncfs(int fd) noexcept {
  if (Fails(Call::kSyncfs)) return -1;
  return static_cast<int>(::syscall(SYS_syncfs, fd));
}
int utimensat(int directory, const char* name, const struct timespec* times, int flags) noexcept {
  if (Fails(Call::kUtimensat)) return -1;
  return static_cast<int>(::syscall(SYS_utimensat, directory, name, times, flags));
}

}  // extern "C"
