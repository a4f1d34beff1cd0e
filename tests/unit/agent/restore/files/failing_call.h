// A system call of this program that fails when a test says so: what disks and kernels do rarely.
//
// The functions of the C library are defined anew in failing_call.cpp; they go on to the kernel
// unless a FailingCall lives.
// Threading:  restores call from any thread, tests make one at a time.
#pragma once

namespace holdfast::test {

enum class Call {
  kChmod,
  kClose,  // of a descriptor that only writes; it is closed all the same
  kFchown,
  kFchownat,
  kFsetxattr,
  kFtruncate,
  kMkdirat,
  kMknodat,
  kSyncfs,
  kUtimensat,
};

class FailingCall {
 public:
  // The next `count` calls fail with `error_number`.
  FailingCall(Call call, int error_number, int count = 1);
  ~FailingCall();
  FailingCall(const FailingCall&) = delete;
  FailingCall& operator=(const FailingCall&) = delete;
  int left() const;  // how many have not come yet
};

}  // namespace holdfast::test
