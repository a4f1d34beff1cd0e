// While it lives, the system refuses every new thread of this process.
//
// Method: threads get stacks by default that are larger than the address space; pthread_create then
// fails with EAGAIN as it does at a limit. Threads that run go on.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

namespace holdfast::test {

class NoMoreThreads {
 public:
  NoMoreThreads() {
    EXPECT_EQ(pthread_getattr_default_np(&before_), 0);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    EXPECT_EQ(pthread_attr_setstacksize(&huge, std::size_t{1} << 50), 0);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoMoreThreads() {
    EXPECT_EQ(pthread_setattr_default_np(&before_), 0);
    pthread_attr_destroy(&before_);
  }
  NoMoreThreads(const NoMoreThreads&) = delete;

 private:
  pthread_attr_t before_;
};

}  // namespace holdfast::test
