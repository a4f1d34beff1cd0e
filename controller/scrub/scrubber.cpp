#include "controller/scrub/scrubber.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::scrub {
namespace {

constexpr absl::Duration kShortestLook = absl::Milliseconds(100);
constexpr absl::Duration kLongestLook = absl::Minutes(10);

std::uint64_t BytesOf(const std::vector<catalog::SealedPack>& packs) {
  std::uint64_t bytes = 0;
  for (const catalog::SealedPack& pack : packs) bytes += pack.size_bytes;
  return bytes;
}

std::vector<catalog::SealedPack>::const_iterator After(
    const std::vector<catalog::SealedPack>& packs, const PackName& position) {
  return std::upper_bound(
      packs.begin(), packs.end(), position,
      [](const PackName& name, const catalog::SealedPack& pack) { return name < pack.name; });
}

absl::Status NotNow(std::string_view what, const PackName& name) {
  return Error(ErrorKind::kUnreachable, 5079,
               fmt::format("unable to {} pack {}: the store takes no writes now", what, name.hex()),
               "Look at the controller's log and at the disk, then run 'holdfast scrub --all'.");
}

}  // namespace

Scrubber::Scrubber(Env env, catalog::Catalog& catalog, store::Store& store, std::string state_path,
                   ScrubOptions options)
    : env_(env),
      catalog_(catalog),
      store_(store),
      state_path_(std::move(state_path)),
      options_(options),
      state_(LoadScrubState(env.fs, state_path_)) {}

Scrubber::~Scrubber() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Scrubber::Start() {
  if (options_.enabled) {
    thread_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
  }
}

absl::Time Scrubber::completed() const {
  std::lock_guard lock(state_mutex_);
  return state_.completed;
}

void Scrubber::Work(std::stop_token stop) {
  const absl::Duration look = std::clamp(options_.period / 1000, kShortestLook, kLongestLook);
  while (env_.clock.SleepFor(look, stop)) ReadWhatIsDue(stop);
}

void Scrubber::ReadWhatIsDue(std::stop_token stop) {
  const absl::Status status = ReadDue(std::move(stop));
  if (!status.ok() && !absl::IsCancelled(status)) {
    log::Error("the scrub could not go on: {}", MessageOf(status));
  }
}

absl::Status Scrubber::ReadDue(std::stop_token stop) {
  const absl::Time now = env_.clock.Now();
  ASSIGN_OR_RETURN(const auto packs, catalog_.ListPacks());
  const std::uint64_t total = BytesOf(packs);
  for (;;) {
    std::lock_guard running(run_mutex_);
    ScrubState state;
    {
      std::lock_guard lock(state_mutex_);
      // The first round, or a clock that was set back by more than a round.
      if (state_.round_began == absl::InfinitePast() ||
          state_.round_began > now + options_.period) {
        state_.round_began = now;
      }
      state = state_;
    }
    if (stop.stop_requested() || state.round_began > now || packs.empty()) return absl::OkStatus();
    const auto next = After(packs, state.position);
    if (next == packs.end()) {
      return EndRound(std::max(now, state.round_began + options_.period));
    }
    const std::uint64_t done = total - BytesOf({next, packs.end()});
    const double share = absl::FDivDuration(now - state.round_began, options_.period);
    if (static_cast<double>(done) >= share * static_cast<double>(total)) return absl::OkStatus();

    ScrubReport report;
    const absl::Status checked = CheckPack(
        *next,
        [&](std::uint64_t bytes) {
          const double seconds =
              static_cast<double>(bytes) / static_cast<double>(options_.rate_bytes);
          return env_.clock.SleepFor(absl::Seconds(seconds), stop);
        },
        &report);
    if (absl::IsCancelled(checked)) return checked;
    if (!checked.ok()) log::Error("{}", MessageOf(checked));
    std::lock_guard lock(state_mutex_);
    state_.position = next->name;
    RETURN_IF_ERROR(SaveScrubState(env_.fs, state_path_, state_));
  }
}

absl::Status Scrubber::EndRound(absl::Time next_begins) {
  ASSIGN_OR_RETURN(const std::uint64_t orphans, store_.RemoveOrphanedParity());
  if (orphans > 0) log::Info("removed the parity of {} packs that are gone", orphans);
  std::lock_guard lock(state_mutex_);
  state_.position = PackName();
  state_.round_began = next_begins;
  state_.completed = env_.clock.Now();
  return SaveScrubState(env_.fs, state_path_, state_);
}

absl::StatusOr<ScrubReport> Scrubber::Run(ScrubScope scope,
                                          const std::function<bool(const ScrubProgress&)>& go_on) {
  const absl::Duration began = env_.clock.Monotonic();
  std::lock_guard running(run_mutex_);
  RETURN_IF_ERROR(store_.ProbeAfterFailure());  // repairs are writes
  PackName position;
  if (scope == ScrubScope::kRestOfRound) {
    std::lock_guard lock(state_mutex_);
    position = state_.position;
  }
  ASSIGN_OR_RETURN(const auto packs, catalog_.ListPacks());
  const auto first = After(packs, position);
  ScrubReport report;
  absl::Status failure;  // the first
  ScrubProgress progress;
  progress.packs_total = static_cast<std::uint64_t>(packs.end() - first);
  progress.bytes_total = BytesOf({first, packs.end()});
  for (auto pack = first; pack != packs.end(); ++pack) {
    const std::uint64_t before = progress.bytes_done;
    const absl::Status checked = CheckPack(
        *pack,
        [&](std::uint64_t bytes) {
          progress.bytes_done += bytes;
          return go_on(progress);
        },
        &report);
    if (absl::IsCancelled(checked)) return checked;
    failure.Update(checked);  // the others are read all the same
    ++progress.packs_done;
    progress.bytes_done = before + pack->size_bytes;
    if (!go_on(progress)) return absl::CancelledError("stopped");
    if (scope == ScrubScope::kAll) continue;
    std::lock_guard lock(state_mutex_);
    state_.position = pack->name;
    RETURN_IF_ERROR(SaveScrubState(env_.fs, state_path_, state_));
  }
  RETURN_IF_ERROR(failure);
  RETURN_IF_ERROR(EndRound(env_.clock.Now()));
  ASSIGN_OR_RETURN(report.damage, catalog_.ListDamage());
  report.duration = env_.clock.Monotonic() - began;
  return report;
}

absl::Status Scrubber::CheckPack(const catalog::SealedPack& pack, const store::ReadPace& pace,
                                 ScrubReport* report) {
  ASSIGN_OR_RETURN(const store::PackCheck check, store_.CheckPack(pack.name, pace));
  if (check == store::PackCheck::kStopped) return absl::CancelledError("stopped");
  // Nothing is marked: what parity still has is not lost.
  if (check == store::PackCheck::kNotNow) return NotNow("repair", pack.name);
  if (check == store::PackCheck::kMissing) {
    // Collected between the list and now: its chunks lie elsewhere, or are needed by nobody.
    const auto chunks = catalog_.LiveChunksOf(pack.name);
    if (chunks.ok() && chunks->empty()) return absl::OkStatus();
  }
  const bool bad = check == store::PackCheck::kDamaged || check == store::PackCheck::kMissing;
  const absl::Status status =
      bad ? MarkWhatIsBad(pack.name, report) : ReviveWhatIsWhole(pack.name, report);
  // Collected between the list and now: nothing was lost.
  if (absl::IsNotFound(status)) return absl::OkStatus();
  RETURN_IF_ERROR(status);
  ++report->packs;
  report->bytes += pack.size_bytes;
  if (check == store::PackCheck::kRepaired) ++report->repaired;
  if (check == store::PackCheck::kParityMade) ++report->parity_made;
  if (check == store::PackCheck::kParityNotNow) return NotNow("write the parity of", pack.name);
  return absl::OkStatus();
}

bool Scrubber::Reads(const PackName& name, const catalog::PlacedChunk& chunk) {
  const auto object = store_.ReadObject(name, 0, chunk.offset_bytes, chunk.length_bytes);
  if (!object.ok()) return false;
  const auto header = ParseObjectHeader(*object);
  return header.ok() && header->chunk_id == chunk.id;
}

absl::Status Scrubber::MarkWhatIsBad(const PackName& name, ScrubReport* report) {
  ASSIGN_OR_RETURN(const auto chunks, catalog_.LiveChunksOf(name));
  std::vector<ChunkId> bad;
  for (const catalog::PlacedChunk& chunk : chunks) {
    if (!Reads(name, chunk)) bad.push_back(chunk.id);
  }
  log::Error("pack {} is damaged beyond repair: {} of {} chunks in it are lost", name.hex(),
             bad.size(), chunks.size());
  report->damaged_packs.push_back(name);
  report->bad_chunks += bad.size();
  return catalog_.MarkBadIn(name, bad);
}

absl::Status Scrubber::ReviveWhatIsWhole(const PackName& name, ScrubReport* report) {
  ASSIGN_OR_RETURN(const auto chunks, catalog_.BadChunksOf(name));
  std::vector<ChunkId> whole;
  for (const catalog::PlacedChunk& chunk : chunks) {
    if (Reads(name, chunk)) whole.push_back(chunk.id);
  }
  if (whole.empty()) return absl::OkStatus();
  log::Info("{} chunks of pack {} were marked as bad and are whole", whole.size(), name.hex());
  report->revived_chunks += whole.size();
  return catalog_.ReviveIn(name, whole);
}

}  // namespace holdfast::scrub
