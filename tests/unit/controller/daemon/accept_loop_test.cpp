// Goal: connections that come while no descriptor is free are taken when there is one (fault row
// 35).
#include "controller/daemon/accept_loop.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/base/error.h"
#include "common/env/tcp_listen.h"

namespace holdfast::daemon {
namespace {

UniqueFd Client() { return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool Connect(const UniqueFd& client, int port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{limit, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Taken, and closed by the one who took it.
bool IsTaken(const UniqueFd& client, int within_ms) {
  pollfd closed{client.get(), POLLIN, 0};
  return ::poll(&closed, 1, within_ms) == 1;
}

TEST(AcceptLoopTest, WhatConnectsWhileNoDescriptorIsFreeIsTakenLater) {
  constexpr int kLong = 30'000, kShort = 300;
  auto listener = ListenTcp("127.0.0.1", 0, 16);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int port = LocalPort(listener->get());
  AcceptLoop loop(RealClock(), *std::move(listener), "tests",
                  [](int fd) { const UniqueFd closed(fd); });
  const UniqueFd first = Client(), second = Client(), third = Client();
  ASSERT_TRUE(Connect(first, port));
  ASSERT_TRUE(IsTaken(first, kLong));
  {
    const UniqueFd next(::dup(0));  // no number below it is free
    const DescriptorLimit none_left(static_cast<rlim_t>(next.get()));
    ASSERT_TRUE(Connect(second, port));
    ASSERT_TRUE(Connect(third, port));
    EXPECT_FALSE(IsTaken(second, kShort));
    EXPECT_FALSE(IsTaken(third, 0));
  }
  EXPECT_TRUE(IsTaken(second, kLong));
  EXPECT_TRUE(IsTaken(third, kLong));
}

TEST(AcceptLoopTest, AnAddressThatIsTakenOrNoneIsAConflictWithTheReason) {
  const auto listener = ListenTcp("127.0.0.1", 0, 16);
  ASSERT_TRUE(listener.ok());
  const auto again = ListenTcp("127.0.0.1", LocalPort(listener->get()), 16);
  EXPECT_EQ(CodeOf(again.status()), 1007);
  EXPECT_NE(MessageOf(again.status()).find("in use"), std::string::npos) << again.status();
  EXPECT_EQ(KindOf(ListenTcp("192.0.2.1", 0, 16).status()), ErrorKind::kConflict);
}

}  // namespace
}  // namespace holdfast::daemon
