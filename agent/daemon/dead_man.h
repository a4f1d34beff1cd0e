// The agent's own alarm: its controller is silent, lets it back up nothing, or does what it should
// not.
//
// A controller that is gone cannot say so, and a hostile one will not. The agent notices by itself,
// and tells through channels of its own configuration:
//
//   alerts:
//     unreachable: 1h          # the controller was not reached for so long
//     no_backup: 26h           # no backup of this host succeeded for so long
//     channels: […]            # common/notify/channel_config.h
// Hides:      what was told to whom, kept over restarts; retries.
// Invariants: I1  Each is told once per channel when its time is over, and once to be over, to the
//                 channels that were told. A suspicion is over a day after the last one.
//             I2  Time counts while the agent is stopped: the last contact and the last backup are
//                 kept (to five minutes).
//             I3  A channel that does not take a message is tried again with growing waits.
// Threading:  every method from any thread; the channels are used by one.
// Errors:     a state file that cannot be read counts as a first start; one that cannot be written
//             is logged.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/config/config.h"
#include "common/env/env.h"
#include "common/notify/channel_config.h"

namespace holdfast::daemon {

struct DeadManConfig {
  absl::Duration unreachable = absl::Hours(1);
  absl::Duration no_backup = absl::Hours(26);
  std::vector<notify::ChannelConfig> channels;
};
absl::StatusOr<DeadManConfig> ReadDeadManConfig(FileSystem& fs, const ConfigNode& node);

struct DeadManOptions {
  Env env;
  DeadManConfig config;
  std::string agent;
  std::string state_path;
  bool has_sources = true;  // without, no backup is missed
  std::vector<std::unique_ptr<notify::Channel>> channels;
};

class DeadMan {
 public:
  explicit DeadMan(DeadManOptions options);
  ~DeadMan();
  void Start();  // the thread, when there are channels

  void Reached();  // the controller answers, until Lost
  void Lost();
  void BackupSucceeded();
  void Suspect(std::string what);

  // One look, as the thread takes it: tells what is due. For tests.
  void Look(std::stop_token stop);

 private:
  enum Matter : std::size_t { kContact = 0, kBackup = 1, kSuspicion = 2 };
  struct Attempt {
    std::uint64_t count = 0;
    absl::Time first;
    absl::Time next;
  };
  // What must not be away for long; of suspicions, what must not be near.
  struct Watch {
    absl::Time last;
    std::string what;       // it was; of suspicions only
    absl::Time told_about;  // `last`, when it was told first
    std::map<std::string, Attempt> attempts;
    std::map<std::string, bool> told;
  };

  void LoadState();
  void SaveState();                                 // mutex_ held
  bool IsDue(Matter matter, absl::Time now) const;  // mutex_ held
  notify::Message MessageOn(Matter matter, const Watch& watch, notify::Action action) const;
  void TellWhatIsDue(Matter matter, notify::Channel& channel, std::stop_token stop);

  const DeadManOptions options_;
  std::mutex mutex_;  // guards all below
  bool reached_ = false;
  std::array<Watch, 3> watches_;
  absl::Time saved_at_;
  std::jthread thread_;  // last: stopped before the rest goes
};

}  // namespace holdfast::daemon
