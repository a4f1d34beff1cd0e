// A scheduler over a real catalog, with a clock moved by hand and agents made of a few flags.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "controller/schedule/scheduler.h"
#include "controller/schedule/times.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"

namespace holdfast::schedule::test {

class HandClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return running; }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    Run(duration);
    return !stop.stop_requested();
  }
  void Run(absl::Duration duration) {
    now += duration;
    running += duration;
  }
  absl::Time now = absl::FromUnixSeconds(1'767'744'000);  // 2026-01-07 00:00 UTC
  absl::Duration running = absl::Hours(1000);
};

// What agents do with runs, as the test wants it.
class FakeRuns final : public BackupRuns {
 public:
  explicit FakeRuns(Clock& clock) : clock_(clock) {}

  struct Begun {
    std::string source;
    Bytes run_id;
    absl::Time at;
  };

  absl::StatusOr<Started> Start(const catalog::SourceRow& source, const Bytes& run_id) override {
    if (!start_error.ok()) return start_error;
    if (active.contains(source.id)) return Started::kBusy;
    Take(source, run_id);
    return away ? Started::kWaiting : Started::kStarted;
  }
  absl::Status Expect(const catalog::SourceRow& source, const Bytes& run_id) override {
    expected.push_back(run_id);
    Take(source, run_id);
    return absl::OkStatus();
  }
  void Withdraw(const Bytes& run_id) override {
    std::erase_if(active, [&](const auto& each) {
      return each.second.run_id == run_id && !each.second.sent;
    });
  }
  RunState StateOf(const SourceId& source) override {
    const auto found = active.find(source);
    if (found == active.end()) return {};
    return {found->second.sent ? RunState::Kind::kRunning : RunState::Kind::kWaiting,
            found->second.since};
  }

  void Connect() {
    away = false;
    for (auto& [source, run] : active) {
      if (!run.sent) Send(&run);
    }
  }
  // The process dies: agents go on, but nobody knows.
  void Forget() { active.clear(); }

  struct Run {
    std::string name;
    Bytes run_id;
    bool sent = false;
    absl::Time since;
  };
  std::map<SourceId, Run> active;
  std::vector<Begun> begun;  // runs that an agent got, each time it got one
  std::vector<Bytes> expected;
  bool away = false;
  absl::Status start_error;

 private:
  void Take(const catalog::SourceRow& source, const Bytes& run_id) {
    Run& run = active[source.id] = {source.name, run_id, false, {}};
    if (!away) Send(&run);
  }
  void Send(Run* run) {
    run->sent = true;
    run->since = clock_.Now();
    begun.push_back({run->name, run->run_id, clock_.Now()});
  }

  Clock& clock_;
};

class NotingObserver final : public ScheduleObserver {
 public:
  void OnMissed(const catalog::SourceRow& source, std::uint64_t count) override {
    notes.push_back(source.name + " missed " + std::to_string(count));
  }
  void OnLate(const catalog::SourceRow& source) override { notes.push_back(source.name + " late"); }
  void OnSkipped(const catalog::SourceRow& source, std::uint64_t in_row) override {
    notes.push_back(source.name + " skipped " + std::to_string(in_row));
  }
  void OnCaughtUp(const catalog::SourceRow& source, absl::Time) override {
    notes.push_back(source.name + " caught up");
  }
  std::vector<std::string> notes;
};

class ScheduleTest : public testing::Test {
 protected:
  ScheduleTest() {
    config_.all.jitter = "0s";
    OpenCatalog();
    agent_.id = rng_.DrawFixed<AgentId>();
    agent_.name = "web-1";
    Check(catalog_->AddToken({Bytes(16, 't'), Sha256("secret"), agent_.name, ~0ull >> 1}));
    Check(catalog_->Enrol(Bytes(16, 't'), "secret", agent_, 1).status());
    Check(catalog_->SetAgentDomain(agent_.id, rng_.DrawFixed<DomainId>()));
    SetSources({"db"});
    StartScheduler();
  }
  static void Check(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

  void OpenCatalog() {
    catalog_.reset();
    auto opened =
        catalog::Catalog::Open({clock_, rng_, RealFileSystem()}, directory_ / "catalog.db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    catalog_ = *std::move(opened);
  }
  void StartScheduler() {
    scheduler_ = std::make_unique<Scheduler>(Env{clock_, rng_, RealFileSystem()}, *catalog_, runs_,
                                             config_, observer_);
    Check(scheduler_->Load());
  }
  // As after kill -9: what is not in the catalog is gone.
  void Restart() {
    scheduler_.reset();
    runs_.Forget();
    OpenCatalog();
    StartScheduler();
  }

  static SourceId Id(const std::string& name) {
    return *SourceId::From(Sha256(name).view().substr(0, SourceId::kSize));
  }
  void SetSources(const std::vector<std::string>& names) {
    std::vector<catalog::SourceRow> rows;
    for (const std::string& name : names) {
      catalog::SourceRow row;
      row.id = Id(name);
      row.name = name;
      row.kind = "postgres";
      rows.push_back(row);
    }
    Check(catalog_->SetSources(agent_.id, rows));
  }

  void Tick() { Check(scheduler_->Tick()); }
  // A look each minute.
  void RunFor(absl::Duration duration) {
    for (absl::Duration done; done < duration; done += absl::Minutes(1)) {
      clock_.Run(absl::Minutes(1));
      Tick();
    }
  }
  void Finish(const std::string& name, Scheduler::Outcome outcome = Scheduler::Outcome::kDone) {
    const auto found = runs_.active.find(Id(name));
    ASSERT_NE(found, runs_.active.end()) << name << " is not running";
    const Bytes run_id = found->second.run_id;
    runs_.active.erase(found);
    Check(scheduler_->Finished(Id(name), run_id, outcome));
  }
  // The snapshot that a run made.
  void Commit(const std::string& name, std::uint64_t seq, const Bytes& run_id) {
    catalog::SnapshotCommit commit;
    commit.source = Id(name);
    commit.seq = seq;
    commit.run_id = run_id;
    commit.snapshot_id = Sha256(name + std::to_string(seq));
    commit.taken_at_ms = ToMillis(clock_.now);
    commit.content_bytes = 1000;
    const auto result = catalog_->CommitSnapshot(commit, ToMillis(clock_.now));
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE(result->missing.empty());
  }
  SourceSchedule ScheduleOf(const std::string& name, std::size_t ahead = 3) {
    const auto list = scheduler_->List(ahead);
    EXPECT_TRUE(list.ok()) << list.status();
    for (const SourceSchedule& one : *list) {
      if (one.source.name == name) return one;
    }
    ADD_FAILURE() << "no schedule of " << name;
    return {};
  }
  static std::string Shown(absl::Time time) {
    return absl::FormatTime("%m-%d %H:%M", time, absl::UTCTimeZone());
  }
  std::vector<std::string> Begun() const {
    std::vector<std::string> texts;
    for (const FakeRuns::Begun& one : runs_.begun) {
      texts.push_back(one.source + " " + Shown(one.at));
    }
    return texts;
  }

  holdfast::test::TempDir directory_;
  HandClock clock_;
  holdfast::test::SeededRng rng_{2026};
  FakeRuns runs_{clock_};
  NotingObserver observer_;
  ScheduleConfig config_;
  catalog::AgentRow agent_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace holdfast::schedule::test
