// A controller on a simulated disk, two sources that back up to it, and beside them what must be
// true.
//
// The real store, catalog, commit and collector run; every step is drawn from a seed, and so is
// where the process is killed, the power cut or one step of the disk fails. After each death the
// world is opened anew and compared: what was acknowledged is there, what is listed reads byte for
// byte, nothing refers to what is gone. At the end of a schedule everything but the newest is let
// go, and nothing else may be left.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controller/catalog/catalog.h"
#include "controller/retention/collector.h"
#include "controller/store/store.h"
#include "tests/fault/disk/sim_disk.h"
#include "tests/fault/disk/sim_file_system.h"
#include "tests/fault/disk/sim_vfs.h"
#include "tests/support/agent_domain.h"
#include "tests/support/set_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {

class SimWorld {
 public:
  static constexpr int kSources = 2;
  static constexpr int kChunks = 24;

  explicit SimWorld(SimLies lies = {});
  // One schedule; what went wrong, or "".
  std::string Run(std::uint64_t seed);
  bool tells = false;  // on stderr, what it does: to understand a schedule

  std::uint64_t commits = 0, kills = 0, power_cuts = 0, failures = 0, collections = 0,
                disk_steps = 0;

 private:
  using ChunkSet = std::set<int>;
  // What is known of a snapshot; more than one state after a death in the middle of a change.
  enum State : unsigned { kCommitted = 1, kTrashed = 2, kGone = 4 };
  struct Snapshot {
    ChunkSet chunks;
    unsigned states = kCommitted;
    Bytes record;
  };
  struct Source {
    SourceId id;
    std::map<std::uint64_t, Snapshot> snapshots;
    bool unsure = false;  // the newest was not answered
    // Not answered, and not there when the controller was asked: a power cut may bring them back.
    std::map<Hash256, Snapshot> doubtful;
  };
  enum class Session { kNone, kOpen };
  enum class Agent { kMayGo, kStays };  // before the commit

  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  bool OneIn(std::uint64_t n) { return Draw(n) == 0; }
  void Tell(const std::string& what) const;
  bool Fail(const std::string& what);  // false
  bool Expect(const absl::Status& status, const std::string& what);
  static Bytes EnvelopeOf(const KeyId& key) { return "envelope of " + key.hex(); }
  bool HasEnvelope(const KeyId& key);  // whole
  Env env() { return {clock_, *rng_, *fs_}; }
  std::string Path(const std::string& name) const { return directory_ / name; }

  void Reset(std::uint64_t seed);
  bool BeginAnew();
  absl::Status Open();
  absl::Status Enrol();
  void Close();
  void Step();
  void Arm();
  void Settle();  // after a step: comes back from a death, or from a failure

  absl::Status Backup(Source& source, Agent agent = Agent::kMayGo);
  absl::Status Resolve(Source& source);
  absl::Status Upload(const ChunkSet& wanted, const KeyId& key, const SecretBytes& run_key);
  absl::Status Commit(Source& source, const ChunkSet& chunks, const KeyId& key,
                      const SecretBytes& run_key);
  absl::Status ForgetSome(Source& source);
  absl::Status UndeleteOne(Source& source);
  absl::Status Collect(absl::Duration later, Session session = Session::kNone);
  ChunkSet ChooseChunks(const Source& source);
  std::uint64_t Head(const Source& source) const;

  void Check();
  void CheckSource(Source& source);
  bool CheckState(Snapshot& snapshot, State is, const std::string& name);
  void CheckSnapshot(const Source& source, std::uint64_t seq, const Snapshot& snapshot);
  void CheckStored();
  void CheckPacks();
  bool Reads(int chunk);
  void LetGo();
  void CheckNothingLeaks();

  const SimLies lies_;
  const TempDir directory_;  // holds locks only: those are the kernel's
  SimVfs vfs_;
  AgentDomain agent_{11};
  std::vector<Bytes> plain_;
  std::vector<ChunkId> ids_;
  std::unique_ptr<SimDisk> enrolled_;  // what every schedule begins with

  std::mt19937_64 random_;
  SetClock clock_;
  std::unique_ptr<SeededRng> rng_;
  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<SimFileSystem> fs_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<retention::Collector> collector_;
  std::array<Source, kSources> sources_;
  std::vector<std::set<Bytes>> objects_;  // of each chunk, as they were sealed
  ChunkSet stored_;                       // STORED was said since the last collection
  std::uint64_t runs_ = 0;
  std::string failure_;
};

}  // namespace holdfast::test
