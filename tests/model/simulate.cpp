// Sixty days of an installation with three sources: the real scheduler, retention rules, objectives
// and alerts over a real catalog, beside agents and a clock that misbehave by a seed. Prints what
// happened and what was decided, a JSON document a line; schedule_model_test.py decides the same on
// its own.
//
//   simulate_schedules SEED START_UNIX_SECONDS DIRECTORY
#include <cstdlib>
#include <iostream>
#include <memory>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/log/log.h"
#include "controller/alert/alert_desk.h"
#include "controller/alert/catalog_facts.h"
#include "controller/daemon/alert_wiring.h"
#include "controller/objective/objectives.h"
#include "controller/retention/policy.h"
#include "controller/schedule/retry.h"
#include "controller/schedule/scheduler.h"
#include "controller/schedule/times.h"
#include "nlohmann/json.hpp"
#include "tests/model/simulated_agents.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::model {
namespace {

using Json = nlohmann::ordered_json;
using schedule::ToMillis;

constexpr int kDays = 60;
constexpr absl::Duration kStep = absl::Minutes(1);
constexpr char kConfig[] = R"(
schedule:
  jitter: 5m
  groups:
    - {name: databases, sources: [db], cron: "15 */6 * * *", zone: Europe/Berlin, jitter: 10m}
    - {name: caches, sources: [cache], cron: "*/30 * * * *", zone: America/New_York, jitter: 0s}
    - {name: files, sources: [host-1/uploads], cron: "30 2 * * *", zone: Europe/Berlin}
objectives:
  kinds: {postgres: {rpo: 6h}, redis: {rpo: 1h}}
)";

class SimulatedClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return running; }
  bool SleepFor(absl::Duration, std::stop_token stop) override { return !stop.stop_requested(); }
  absl::Time now;
  absl::Duration running = absl::Hours(1);
};

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << '\n';
  std::exit(1);
}
template <typename T>
T Must(absl::StatusOr<T> result) {
  Must(result.status());
  return *std::move(result);
}

void Print(Json line) { std::cout << line.dump() << '\n'; }

// Takes every message and says so.
class PrintingChannel final : public notify::Channel {
 public:
  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "printed"; }
  std::string target() const override { return ""; }
  notify::Delivery Deliver(const notify::Message& message, std::stop_token) override {
    Print({{"told", notify::NameOf(message.action)},
           {"kind", message.kind},
           {"subject", message.subject},
           {"key", message.dedup_key}});
    return notify::Delivery::Done();
  }

 private:
  const std::string name_ = "everybody";
};

class PrintingObserver final : public schedule::ScheduleObserver {
 public:
  // Alerts hear of it too, as in the controller.
  void Attach(alert::EventSink& sink) { alerts_.Attach(sink); }
  void OnMissed(const catalog::SourceRow& source, std::uint64_t count) override {
    Print({{"did", "missed"}, {"source", source.name}, {"count", count}});
  }
  void OnLate(const catalog::SourceRow& source) override {
    Print({{"did", "late"}, {"source", source.name}});
    alerts_.OnLate(source);
  }
  void OnSkipped(const catalog::SourceRow& source, std::uint64_t in_row) override {
    Print({{"did", "skipped"}, {"source", source.name}, {"in_row", in_row}});
    alerts_.OnSkipped(source, in_row);
  }
  void OnCaughtUp(const catalog::SourceRow& source, absl::Time planned) override {
    Print({{"did", "caught up"}, {"source", source.name}, {"planned", ToMillis(planned)}});
  }

 private:
  daemon::ScheduleAlerts alerts_;
};

class World {
 public:
  World(std::uint64_t seed, absl::Time start, std::string directory)
      : random_(seed),
        rng_(seed),
        directory_(std::move(directory)),
        agents_(
            clock_, random_,
            [this](const SourceId& source, const Bytes& run_id, unsigned exit) {
              Ended(source, run_id, exit);
            },
            [this](const SourceId& source) {
              Print({{"claimed", names_[source]}});
            },
            [this](const SourceId& source) {
              Print({{"sent", names_[source]}});
            },
            [] {
              Print({{"settled", true}});
            }) {
    clock_.now = start;
    true_now_ = start;
    OpenCatalog();
    AddSources();
    StartController();
  }

  void Run() {
    const auto steps = static_cast<std::int64_t>(kDays * absl::Hours(24) / kStep);
    for (std::int64_t step = 0; step < steps; ++step) {
      Pass();
      Misbehave();
      if (!up_) continue;
      agents_.Work();
      agents_.TellKept();
      Print(
          {{"tick", ToMillis(clock_.now)}, {"running", absl::ToInt64Milliseconds(clock_.running)}});
      Must(scheduler_->Tick());
      if (agents_.died()) {
        Die();
        OpenCatalog();
        StartController();
        continue;
      }
      agents_.TellKept();
      LookForAlerts();
      if (step % 60 == 0) PrintObjectives();
      if (step % (24 * 60) == 720) Retain();
    }
    Print({{"end", true}});
  }

 private:
  void OpenCatalog() {
    catalog_.reset();
    catalog_ =
        Must(catalog::Catalog::Open({clock_, rng_, RealFileSystem()}, directory_ + "/catalog.db"));
  }
  void AddSources() {
    catalog::AgentRow& agent = agent_;
    agent.id = rng_.DrawFixed<AgentId>();
    agent.name = "host-1";
    Must(catalog_->AddToken({Bytes(16, 't'), Sha256("secret"), agent.name, ~0ull >> 1}));
    Must(catalog_->Enrol(Bytes(16, 't'), "secret", agent, 1).status());
    Must(catalog_->SetAgentDomain(agent.id, rng_.DrawFixed<DomainId>()));
    std::vector<catalog::SourceRow> rows;
    const std::pair<const char*, const char*> sources[] = {
        {"db", "postgres"}, {"cache", "redis"}, {"uploads", "files"}};
    for (const auto& [name, kind] : sources) {
      catalog::SourceRow row;
      row.id = rng_.DrawFixed<SourceId>();
      row.name = name;
      row.kind = kind;
      rows.push_back(row);
      names_[row.id] = name;
      kinds_[row.id] = kind;
      Print({{"source", name}, {"kind", kind}, {"id", row.id.hex()}});
    }
    Must(catalog_->SetSources(agent.id, rows));
  }

  void StartController() {
    const ConfigDocument document = Must(ParseConfig(kConfig, "controller.yaml"));
    const Env env{clock_, rng_, RealFileSystem()};
    objectives_ = std::make_unique<objective::Objectives>(
        env, *catalog_, Must(objective::ReadObjectiveConfig(document.root())));
    StartAlerts(env);
    scheduler_ = std::make_unique<schedule::Scheduler>(
        env, *catalog_, agents_, Must(schedule::ReadScheduleConfig(document.root())), observer_);
    Print(
        {{"start", ToMillis(clock_.now)}, {"running", absl::ToInt64Milliseconds(clock_.running)}});
    agents_.Take([this](const SourceId& source, const Bytes& run_id, unsigned exit) {
      Print({{"result", names_[source]},
             {"exit", exit},
             {"at", ToMillis(clock_.now)},
             {"running", absl::ToInt64Milliseconds(clock_.running)}});
      Note(source, exit);
      using Outcome = schedule::Scheduler::Outcome;
      const Outcome outcome = exit == 0                 ? Outcome::kDone
                              : schedule::MayPass(exit) ? Outcome::kFailed
                                                        : Outcome::kFailedForGood;
      Must(scheduler_->Finished(source, run_id, outcome));
    });
    Must(scheduler_->Load());
    up_ = true;
    agents_.ControllerIsUp();
    agents_.TellKept();
  }

  void StartAlerts(const Env& env) {
    std::vector<store::RecoveredPack> recovered;
    store_ = Must(store::Store::Open(env, directory_, &recovered, 0));
    facts_ = std::make_unique<alert::CatalogFacts>(
        alert::CatalogFactsOptions{env,
                                   catalog_.get(),
                                   store_.get(),
                                   nullptr,
                                   [this](const AgentId&) { return agents_.connected(); },
                                   {},
                                   nullptr});
    all_facts_ = std::make_unique<daemon::FactsWithObjectives>(*facts_, *objectives_);
    alert::DeskOptions options{
        env, catalog_.get(), all_facts_.get(), {}, "simulation", directory_ + "/alert.key", {}};
    options.channels.push_back(std::make_unique<PrintingChannel>());
    desk_ = Must(alert::AlertDesk::Open(std::move(options)));
    observer_.Attach(desk_->engine());
  }

  // What the controller writes down of a result.
  void Note(const SourceId& source, unsigned exit) {
    if (exit == 0) {
      Must(catalog_->ClearFailure(source));
      desk_->engine().Report({alert::EventKind::kBackupSucceeded, source, ""});
      return;
    }
    Must(catalog_->RecordFailure(source, {ToMillis(clock_.now), exit, 2001, "no"}));
    desk_->engine().Report({alert::EventKind::kBackupFailed, source, "no"});
    Print({{"failed", names_[source]}});
  }

  void LookForAlerts() {
    if (agents_.connected()) {
      agent_.last_seen_ms = ToMillis(clock_.now);
      Must(catalog_->SetAgentSeen(agent_));
    }
    Must(desk_->LookOnce());
    Json open = Json::array();
    for (const catalog::AlertRow& alert : Must(catalog_->alerts().OpenAlerts())) {
      open.push_back({alert.kind, alert.subject});
    }
    Print({{"alerts", open}});
    Must(desk_->DeliverDue(*desk_->channels().front(), {}).status());
  }

  // Time, as it really passes. The clock on the wall may be set wrong beside it.
  void Pass() {
    true_now_ += kStep;
    clock_.now += kStep;
    clock_.running += kStep;
  }

  bool OneIn(std::uint64_t n) { return random_() % n == 0; }

  void Misbehave() {
    if (up_ && OneIn(3000)) {
      up_ = false;
      up_again_ = clock_.running + absl::Minutes(1 + random_() % (OneIn(3) ? 4 * 24 * 60 : 90));
      Die();
    } else if (!up_ && clock_.running >= up_again_) {
      OpenCatalog();
      StartController();
    }
    if (up_ && OneIn(1500)) agents_.DieAtClaim();
    if (!up_) agents_.Work();
    if (agents_.connected() && OneIn(2000)) {
      Print({{"agent", "away"}});
      agents_.Disconnect();
      back_again_ = clock_.running + absl::Minutes(1 + random_() % (OneIn(4) ? 3 * 24 * 60 : 120));
    } else if (!agents_.connected() && clock_.running >= back_again_) {
      Print({{"agent", "back"}});
      agents_.Connect();
      if (up_) agents_.TellKept();
    }
    if (clock_.now == true_now_ && OneIn(8000)) {
      const std::int64_t most = OneIn(2) ? 2 * 24 * 3600 : 600;
      clock_.now += absl::Seconds(static_cast<std::int64_t>(random_() % (2 * most)) - most);
      right_again_ = clock_.running + absl::Minutes(1 + random_() % (24 * 60));
    } else if (clock_.now != true_now_ && clock_.running >= right_again_) {
      clock_.now = true_now_;
    }
  }

  // As by kill -9.
  void Die() {
    Print({{"die", true}});
    agents_.ControllerDies();
    scheduler_.reset();
    desk_.reset();
    all_facts_.reset();
    facts_.reset();
    store_.reset();
    objectives_.reset();
  }

  void Ended(const SourceId& source, const Bytes& run_id, unsigned exit) {
    if (!up_) return;  // nobody is there to write it down
    const catalog::SourceRow row = Must(catalog_->GetSource(source));
    if (exit != 0) return;
    catalog::SnapshotCommit commit;
    commit.source = source;
    commit.run_id = run_id;
    commit.seq = row.head_seq + 1;
    commit.snapshot_id = Sha256(run_id);
    commit.taken_at_ms = ToMillis(clock_.now - absl::Minutes(random_() % 10));
    commit.content_bytes = 1'000'000 + random_() % 1'000'000;
    const auto result = Must(catalog_->CommitSnapshot(commit, ToMillis(clock_.now)));
    if (!result.missing.empty()) Must(absl::InternalError("missing chunks"));
    Print({{"committed", names_[source]},
           {"seq", commit.seq},
           {"taken", commit.taken_at_ms},
           {"at", ToMillis(clock_.now)},
           {"bytes", commit.content_bytes}});
    if (OneIn(10)) {
      Must(catalog_->SetVerified(source, commit.seq, ToMillis(clock_.now)));
      Print({{"verified", names_[source]}, {"seq", commit.seq}});
    }
  }

  void PrintObjectives() {
    const objective::Report report = Must(objectives_->Judge());
    for (const objective::SourceStanding& one : report.sources) {
      const char* state = one.standing.state == objective::State::kMet    ? "met"
                          : one.standing.state == objective::State::kLate ? "late"
                                                                          : "broken";
      Print({{"objective", one.source.name},
             {"state", state},
             {"age", absl::ToInt64Milliseconds(one.standing.age)},
             {"seq", one.seq.value_or(0)}});
    }
  }

  // What the collector does with its rules, without its guards against clocks and failures.
  void Retain() {
    for (const auto& [source, name] : names_) {
      const auto rows = Must(catalog_->ListSnapshots(source, 1'000'000));
      std::vector<retention::Snapshot> snapshots;
      for (const catalog::SnapshotRow& row : rows) {
        snapshots.push_back({row.seq, schedule::FromMillis(row.committed_at_ms),
                             row.verified_at_ms != 0, row.content_bytes});
      }
      const auto verdicts =
          retention::Judge(retention::DefaultPolicy(kinds_[source]), snapshots, clock_.now);
      Json kept = Json::array();
      std::vector<std::uint64_t> going;
      for (const retention::Verdict& verdict : verdicts) {
        if (verdict.keep) {
          kept.push_back(verdict.seq);
        } else {
          going.push_back(verdict.seq);
        }
      }
      Print({{"retained", name}, {"kept", kept}, {"going", going}});
      if (!going.empty()) {
        Must(catalog_->collection().Forget(source, going, ToMillis(clock_.now)));
      }
    }
  }

  std::mt19937_64 random_;
  test::SeededRng rng_;
  SimulatedClock clock_;
  const std::string directory_;
  catalog::AgentRow agent_;
  std::map<SourceId, std::string> names_;
  std::map<SourceId, std::string> kinds_;
  PrintingObserver observer_;
  SimulatedAgents agents_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<objective::Objectives> objectives_;
  std::unique_ptr<alert::CatalogFacts> facts_;
  std::unique_ptr<daemon::FactsWithObjectives> all_facts_;
  std::unique_ptr<alert::AlertDesk> desk_;
  std::unique_ptr<schedule::Scheduler> scheduler_;
  absl::Time true_now_;
  bool up_ = false;
  absl::Duration up_again_;
  absl::Duration back_again_;
  absl::Duration right_again_;
};

}  // namespace
}  // namespace holdfast::model

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::ios::sync_with_stdio(false);
  if (!holdfast::log::Setup({"simulation", "off", "text"}).ok()) return 2;
  holdfast::model::World world(std::stoull(argv[1]), absl::FromUnixSeconds(std::stoll(argv[2])),
                               argv[3]);
  world.Run();
  return 0;
}
