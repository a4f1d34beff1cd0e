// A listening TCP socket and the threads that serve its connections.
//
// Invariants: I1  At most kWorkers connections are served at once, on threads of the lowest useful
//                 priority; the kernel keeps kBacklog more. So no number of clients takes the
//                 processor or memory from a backup.
//             I2  A request has kRequestTime; when half of the workers are busy, a new one has
//                 kShortTime, so that slow clients do not keep the others out. A connection may
//                 stay for another request while workers are free for others, and kStay at most.
//             I3  Stop cuts what is being served; when it returns, nobody is served any more.
// Threading:  Start, Stop and the destructor on one thread; `serve` runs on the workers.
// Errors:     kConflict 6090 when the address cannot be bound.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"

namespace holdfast::http {

inline constexpr int kWorkers = 16;
inline constexpr int kBacklog = 128;
inline constexpr absl::Duration kRequestTime = absl::Seconds(10);
inline constexpr absl::Duration kShortTime = absl::Seconds(1);
inline constexpr int kMostStaying = 12;  // of kWorkers
inline constexpr absl::Duration kStay = absl::Minutes(1);

class Listener {
 public:
  // What the connections have at this moment.
  struct Leave {
    absl::Duration request_time;
    bool may_stay = false;
  };
  // Serves one connection and leaves it open; asks for each request what it may have.
  using Serve = std::function<void(int connection, const std::function<Leave()>& leave)>;

  // `port` 0 picks a free one.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(Clock& clock, const std::string& host,
                                                         int port, Serve serve);
  ~Listener() { Stop(); }

  int port() const { return port_; }
  void Stop();

 private:
  Listener(Clock& clock, UniqueFd fd, int port, Serve serve);
  void Work();
  void ServeOne(const UniqueFd& connection);
  Leave LeaveNow();

  Clock& clock_;
  const UniqueFd fd_;
  const int port_;
  const Serve serve_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::set<int> open_;  // guarded by mutex_: connections that are being served
  std::vector<std::jthread> workers_;
};

}  // namespace holdfast::http
