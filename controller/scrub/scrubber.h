// Reads every byte of every pack once in a period, without keys, and mends what it can.
//
// Hides:      the order and pace of the rounds, what is done about damage.
// Invariants: I1  A round takes the packs by name. Of the bytes of all packs, the part that was
//                 read follows the part of the period that has passed; what was missed while nobody
//                 ran is made up for, never faster than `rate_bytes` a second.
//             I2  A pack that does not have its name is repaired from its parity. What stays bad is
//                 marked BAD, object by object: the next backup sends it again.
//             I3  A chunk that was BAD in a pack that has its name is LIVE again, if it reads.
//             I4  The position is kept over restarts; at most one pack is read twice.
// Threading:  Start and the destructor on one thread; all else from any. One pack at a time.
// Errors:     of catalog and store; the thread logs them and goes on with the next pack.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/scrub/scrub_state.h"
#include "controller/store/store.h"

namespace holdfast::scrub {

struct ScrubOptions {
  bool enabled = true;
  absl::Duration period = absl::Hours(24 * 30);
  std::uint64_t rate_bytes = 32 << 20;  // a second, of the thread; a run by hand is not limited
};

struct ScrubProgress {
  std::uint64_t packs_done = 0;
  std::uint64_t packs_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
};

struct ScrubReport {
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t repaired = 0;
  std::uint64_t parity_made = 0;
  std::uint64_t bad_chunks = 0;
  std::uint64_t revived_chunks = 0;
  std::vector<PackName> damaged_packs;         // beyond repair, or missing
  std::vector<catalog::DamagedSource> damage;  // all that the catalog knows
  absl::Duration duration;
};

enum class ScrubScope { kRestOfRound, kAll };

class Scrubber {
 public:
  Scrubber(Env env, catalog::Catalog& catalog, store::Store& store, std::string state_path,
           ScrubOptions options);
  ~Scrubber();

  void Start();  // the thread, when enabled

  // Now, on the caller's thread. `go_on` is asked between the pieces of a pack; Cancelled when it
  // says no.
  absl::StatusOr<ScrubReport> Run(ScrubScope scope,
                                  const std::function<bool(const ScrubProgress&)>& go_on);
  absl::Time completed() const;

  // One look at the clock, as the thread takes it: reads what is due. For tests.
  void ReadWhatIsDue(std::stop_token stop);

 private:
  absl::Status CheckPack(const catalog::SealedPack& pack, const store::ReadPace& pace,
                         ScrubReport* report);
  absl::Status MarkWhatIsBad(const PackName& name, ScrubReport* report);
  absl::Status ReviveWhatIsWhole(const PackName& name, ScrubReport* report);
  bool Reads(const PackName& name, const catalog::PlacedChunk& chunk);
  absl::Status EndRound(absl::Time next_begins);
  void Work(std::stop_token stop);
  absl::Status ReadDue(std::stop_token stop);

  const Env env_;
  catalog::Catalog& catalog_;
  store::Store& store_;
  const std::string state_path_;
  const ScrubOptions options_;

  std::mutex run_mutex_;            // held while packs are read
  mutable std::mutex state_mutex_;  // guards state_
  ScrubState state_;
  std::jthread thread_;
};

}  // namespace holdfast::scrub
