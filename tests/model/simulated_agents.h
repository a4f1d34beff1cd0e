// Agents and the job board of a simulated installation: runs take their time, are cut off, fail,
// and go on while the controller is down.
//
// What the board knows dies with the controller; what agents do does not.
// Threading: one thread.
#pragma once

#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "common/env/clock.h"
#include "controller/schedule/backup_runs.h"

namespace holdfast::model {

class SimulatedAgents final : public schedule::BackupRuns {
 public:
  // How a run ended, for whoever keeps snapshots. Called before the board hears of it.
  using Ended = std::function<void(const SourceId& source, const Bytes& run_id, unsigned exit)>;
  using Result = Ended;
  using Told = std::function<void(const SourceId& source)>;

  SimulatedAgents(Clock& clock, std::mt19937_64& random, Ended ended, Told claimed, Told sent,
                  std::function<void()> settled)
      : clock_(clock),
        random_(random),
        ended_(std::move(ended)),
        claimed_(std::move(claimed)),
        sent_(std::move(sent)),
        settled_(std::move(settled)) {}

  // The controller that is up now takes results here.
  void Take(Result result) { result_ = std::move(result); }

  absl::StatusOr<Started> Start(const catalog::SourceRow& source, const Bytes& run_id) override {
    claimed_(source.id);
    if (board_.contains(source.id)) return Started::kBusy;
    if (dies_at_claim_) {
      died_ = true;  // nobody hears what this says
      return connected_ ? Started::kStarted : Started::kWaiting;
    }
    Offer(source.id, run_id);
    return board_.contains(source.id) && !board_[source.id].sent ? Started::kWaiting
                                                                 : Started::kStarted;
  }
  absl::Status Expect(const catalog::SourceRow& source, const Bytes& run_id) override {
    Offer(source.id, run_id);
    return absl::OkStatus();
  }
  void Withdraw(const Bytes&) override {}
  schedule::RunState StateOf(const SourceId& source) override {
    const auto found = board_.find(source);
    if (found == board_.end()) return {};
    using Kind = schedule::RunState::Kind;
    return {found->second.sent ? Kind::kRunning : Kind::kWaiting, absl::Time()};
  }
  // A job whose agent has been away for two minutes is given up.
  void Settle() override {
    std::vector<SourceId> lost;
    if (!connected_ && clock_.Monotonic() - away_since_ > absl::Minutes(2)) {
      for (const auto& [source, job] : board_) {
        if (job.sent) lost.push_back(source);
      }
    }
    for (const SourceId& source : lost) {
      work_.erase(source);
      Tell(source, board_[source].run_id, kUnreachable);
    }
    settled_();
  }
  // The controller is killed between its next claim and what would follow.
  void DieAtClaim() { dies_at_claim_ = true; }
  bool died() const { return died_; }

  bool connected() const { return connected_; }
  void Disconnect() {
    connected_ = false;
    away_since_ = clock_.Monotonic();
  }
  void Connect() {
    connected_ = true;
    Attach();
  }
  // The controller dies: nobody remembers what was started. Agents go on.
  void ControllerDies() {
    board_.clear();
    pending_.clear();
    result_ = nullptr;
    died_ = dies_at_claim_ = false;
  }
  // Agents find the controller again.
  void ControllerIsUp() {
    if (connected_) Attach();
  }

  // Work that is done by now.
  void Work() {
    std::vector<SourceId> done;
    for (const auto& [source, work] : work_) {
      if (work.until <= clock_.Monotonic()) done.push_back(source);
    }
    for (const SourceId& source : done) {
      const Job work = work_[source];
      work_.erase(source);
      // Without the controller nothing is committed.
      const unsigned exit = connected_ && result_ != nullptr ? work.exit : kUnreachable;
      ended_(source, work.run_id, exit);
      kept_results_[work.run_id] = exit;
      if (connected_ && result_ != nullptr) Tell(source, work.run_id, exit);
    }
  }

 private:
  struct Job {
    Bytes run_id;
    bool sent = false;
    absl::Duration until;
    unsigned exit = 0;
  };
  static constexpr unsigned kUnreachable = 8;
  static constexpr unsigned kExits[] = {1, 2, 4, 5, 6, 7, 8, 9, 10, 10, 10, 11, 12};

  void Offer(const SourceId& source, const Bytes& run_id) {
    board_[source] = {run_id, false, {}, 0};
    if (connected_) Send(source);
  }
  void Attach() {
    std::vector<SourceId> waiting;
    for (const auto& [source, job] : board_) {
      if (!job.sent) waiting.push_back(source);
    }
    for (const SourceId& source : waiting) Send(source);
  }
  void Send(const SourceId& source) {
    Job& job = board_[source];
    job.sent = true;
    const auto kept = kept_results_.find(job.run_id);
    if (kept != kept_results_.end()) {
      sent_(source);
      pending_.emplace_back(source, job.run_id, kept->second);
      return;
    }
    const auto at_it = work_.find(source);
    if (at_it != work_.end() && at_it->second.run_id == job.run_id) {
      sent_(source);
      return;
    }
    Job work = job;
    const std::uint64_t kind = random_() % 100;
    work.until = clock_.Monotonic() + (kind < 3    ? absl::Hours(1 + random_() % 20)
                                       : kind < 15 ? absl::Minutes(20 + random_() % 60)
                                                   : absl::Minutes(1 + random_() % 9));
    work.exit = random_() % 100 >= 16 ? 0 : kExits[random_() % std::size(kExits)];
    work_[source] = work;
    sent_(source);
  }

 public:
  // Results that agents kept; told after the call in which they were found, as a stream tells them.
  void TellKept() {
    const auto pending = std::move(pending_);
    pending_.clear();
    for (const auto& [source, run_id, exit] : pending) Tell(source, run_id, exit);
  }

 private:
  void Tell(const SourceId& source, Bytes run_id, unsigned exit) {
    const auto job = board_.find(source);
    if (job == board_.end() || job->second.run_id != run_id) return;
    board_.erase(job);
    result_(source, run_id, exit);
  }

  Clock& clock_;
  std::mt19937_64& random_;
  const Ended ended_;
  const Told claimed_;
  const Told sent_;
  const std::function<void()> settled_;
  Result result_;
  bool connected_ = true;
  bool dies_at_claim_ = false;
  bool died_ = false;
  absl::Duration away_since_;
  std::map<SourceId, Job> board_;           // of the controller that is up
  std::map<SourceId, Job> work_;            // at which agents are
  std::map<Bytes, unsigned> kept_results_;  // of runs that ended: how
  std::vector<std::tuple<SourceId, Bytes, unsigned>> pending_;
};

}  // namespace holdfast::model
