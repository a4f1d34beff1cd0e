// Alerting at work: looks at the state of things, delivers, sends digests and heartbeats.
//
// Hides:      threads: one that looks, one per channel that delivers, one for the heartbeat.
// Invariants: I1  The rules are judged at least every 30 s (kLookEvery).
//             I2  A channel that hangs delays no other channel.
//             I3  A digest is sent once for each time it is due; of several that were missed, one.
//             I4  The destructor ends a delivery that is under way; it is made again, marked.
// Threading:  Start and the destructor on one thread; all else from any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "controller/alert/alert_config.h"
#include "controller/alert/catalog_facts.h"
#include "controller/alert/engine.h"

namespace holdfast::alert {

inline constexpr absl::Duration kLookEvery = absl::Seconds(15);

struct DeskOptions {
  Env env;
  catalog::Catalog* catalog = nullptr;
  FactSource* facts = nullptr;
  AlertConfig config;
  std::string origin;    // which installation speaks
  std::string key_path;  // of the key for acknowledging links
  // Instead of the configured channels: tests.
  std::vector<std::unique_ptr<notify::Channel>> channels;
};

class AlertDesk {
 public:
  static absl::StatusOr<std::unique_ptr<AlertDesk>> Open(DeskOptions options);
  ~AlertDesk();

  void Start();  // the threads

  // Another configuration while it runs. A delivery that is under way is ended and made again.
  absl::Status Reconfigure(AlertConfig config);

  Engine& engine() { return *engine_; }
  absl::Time now() const { return options_.env.clock.Now(); }
  AlertConfig config() const;
  struct ChannelView {
    std::string name;
    std::string kind;
    std::string target;
    notify::Severity least = notify::Severity::kInfo;
  };
  std::vector<ChannelView> Channels() const;

  // For tests, which do not reconfigure meanwhile.
  const std::vector<std::unique_ptr<notify::Channel>>& channels() const { return channels_; }

  // One look, as the thread takes it; and all that is due through one channel. For tests.
  absl::Status LookOnce();
  absl::StatusOr<int> DeliverDue(notify::Channel& channel, std::stop_token stop);
  // One heartbeat; for tests too.
  void Beat(std::stop_token stop);

 private:
  explicit AlertDesk(DeskOptions options);
  void StartThreads();  // threads_mutex_ held
  absl::Status EndUnusedHeartbeat();
  absl::Status JudgeState();
  absl::Status SendDigestWhenDue();
  absl::Status ForgetOldHistory();
  void Watch(std::stop_token stop);
  void Deliver(notify::Channel& channel, std::stop_token stop);
  void BeatAlways(std::stop_token stop);

  EngineOptions EngineOptionsNow() const;

  // Changed by Reconfigure only, under the mutex and while no thread of the desk runs: they read
  // both without it.
  DeskOptions options_;
  std::vector<std::unique_ptr<notify::Channel>> channels_;
  mutable std::mutex mutex_;
  std::mutex threads_mutex_;  // taken before mutex_; guards started_ and threads_
  bool started_ = false;
  std::unique_ptr<AckTokens> tokens_;
  std::unique_ptr<Engine> engine_;
  absl::Duration history_forgotten_ = -absl::InfiniteDuration();
  int missed_beats_ = 0;
  std::vector<std::jthread> threads_;  // last: stopped before the rest goes
};

}  // namespace holdfast::alert
