// Goal: systemd is told that a daemon lives as long as its probe returns, and is not told otherwise
// (sd_notify(3), sd_watchdog_enabled(3)).
#include "common/env/watchdog.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "common/env/service.h"
#include "common/env/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace holdfast {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const std::string path = directory_ / "notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    Set("NOTIFY_SOCKET", path);
    Set("WATCHDOG_USEC", "20000");
    Set("WATCHDOG_PID", std::to_string(::getpid()));
  }
  ~WatchdogTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  static void Set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  // The next message, waiting at most so long; empty when none came.
  std::string Heard(int milliseconds) {
    timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char buffer[200];
    const ssize_t size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return size <= 0 ? "" : std::string(buffer, static_cast<std::size_t>(size));
  }

  test::TempDir directory_;
  UniqueFd socket_;
};

TEST_F(WatchdogTest, PingsWhileTheProbeReturns) {
  Watchdog watchdog(RealClock(), [] {});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Heard(30'000), "WATCHDOG=1");
  watchdog.Stop();
  while (!Heard(1).empty()) {
  }
  EXPECT_EQ(Heard(100), "");
}

TEST_F(WatchdogTest, AProbeThatHangsIsSilence) {
  std::mutex mutex;
  std::condition_variable changed;
  bool stuck = true;
  Watchdog watchdog(RealClock(), [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !stuck; });
  });
  EXPECT_EQ(Heard(200), "");
  {
    std::lock_guard lock(mutex);
    stuck = false;
  }
  changed.notify_all();
  EXPECT_EQ(Heard(30'000), "WATCHDOG=1");
}

TEST_F(WatchdogTest, NobodyWaitsNobodyIsTold) {
  Set("WATCHDOG_PID", "1");
  EXPECT_FALSE(WatchdogInterval());
  Set("WATCHDOG_PID", std::to_string(::getpid()));
  EXPECT_EQ(WatchdogInterval(), absl::Milliseconds(10));
  for (const char* nonsense : {"", "0", "-5", "soon"}) {
    Set("WATCHDOG_USEC", nonsense);
    EXPECT_FALSE(WatchdogInterval()) << nonsense;
  }
  const Watchdog watchdog(RealClock(), [] { ADD_FAILURE() << "nobody asked"; });
  EXPECT_EQ(Heard(50), "");
}

TEST_F(WatchdogTest, AReloadSaysWhenItBegan) {
  NotifyReloading();
  const std::string text = Heard(30'000);
  EXPECT_EQ(text.rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0u) << text;
  EXPECT_GT(std::stoll(text.substr(text.rfind('=') + 1)), 0);
}

}  // namespace
}  // namespace holdfast
