// A real catalog with one agent and one source, a clock moved by hand, channels that say what they
// are told, and the desk over them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/base/error.h"
#include "controller/alert/alert_desk.h"
#include "controller/store/store.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"

namespace holdfast::alert::test {

using holdfast::test::SeededRng;
using holdfast::test::TempDir;

class HandClock final : public Clock {
 public:
  absl::Time Now() override { return now_; }
  absl::Duration Monotonic() override { return now_ - absl::UnixEpoch(); }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    now_ += duration;
    return !stop.stop_requested();
  }
  void Move(absl::Duration by) { now_ += by; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'767'751'200);  // 2026-01-07 02:00 UTC, a Wednesday
};

class FakeChannel final : public notify::Channel {
 public:
  FakeChannel(std::string name, bool takes_acknowledgements)
      : name_(std::move(name)), takes_acknowledgements_(takes_acknowledgements) {}
  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "fake"; }
  std::string target() const override { return "nowhere"; }
  bool TakesAcknowledgements() const override { return takes_acknowledgements_; }
  notify::Delivery Deliver(const notify::Message& message, std::stop_token) override {
    attempts.push_back(message);
    if (answer.kind == notify::Delivery::Kind::kDelivered) taken.push_back(message);
    return answer;
  }
  std::vector<std::string> Headlines() const {
    std::vector<std::string> lines;
    for (const notify::Message& message : taken) lines.push_back(notify::Headline(message));
    return lines;
  }

  notify::Delivery answer;
  std::vector<notify::Message> attempts;
  std::vector<notify::Message> taken;

 private:
  const std::string name_;
  const bool takes_acknowledgements_;
};

class AlertTest : public testing::Test {
 protected:
  AlertTest() {
    OpenCatalog();
    const Bytes token(16, 't');
    Check(catalog_->AddToken({token, Sha256("secret"), "shop-1", 1'800'000'000'000}));
    catalog::AgentRow agent;
    agent.id = *AgentId::From(Bytes(16, 'a'));
    agent.name = "shop-1";
    agent.certificate_not_after_ms = 1'780'000'000'000;
    agent.last_seen_ms = NowMs();
    agent.enrolled_at_ms = NowMs();
    Check(catalog_->Enrol(token, "secret", agent, NowMs()).status());
    Check(catalog_->SetAgentSeen(agent));
    catalog::SourceRow source;
    source.id = db_;
    source.agent = agent.id;
    source.name = "db";
    source.kind = "postgres";
    Check(catalog_->SetSources(agent.id, {source}));
    std::vector<store::RecoveredPack> recovered;
    auto opened = store::Store::Open(env_, directory_ / "data", &recovered, 0);
    Check(opened.status());
    store_ = *std::move(opened);
  }

  static void Check(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }
  std::uint64_t NowMs() { return static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.Now())); }

  void OpenCatalog() {
    catalog_.reset();
    auto opened = catalog::Catalog::Open(env_, directory_ / "catalog.db");
    Check(opened.status());
    catalog_ = *std::move(opened);
  }

  // With these channels; those of PagerDuty's kind end with "pager".
  void OpenDesk(const std::vector<std::string>& names) {
    desk_.reset();
    facts_ = std::make_unique<CatalogFacts>(
        CatalogFactsOptions{env_, catalog_.get(), store_.get(), nullptr,
                            [this](const AgentId&) { return connected_; }, certificates_,
                            [this](SourceFacts* source) {
                              if (complete_) complete_(source);
                            }});
    DeskOptions options{
        env_, catalog_.get(), facts_.get(), config_, "backup-1", directory_ / "alert.key", {}};
    for (const std::string& name : names) {
      auto channel = std::make_unique<FakeChannel>(name, name.ends_with("pager"));
      channels_[name] = channel.get();
      options.channels.push_back(std::move(channel));
    }
    auto desk = AlertDesk::Open(std::move(options));
    Check(desk.status());
    desk_ = *std::move(desk);
  }
  // As kill -9: the catalog is opened anew, nothing was finished.
  void Restart(const std::vector<std::string>& names) {
    desk_.reset();
    OpenCatalog();
    OpenDesk(names);
  }

  FakeChannel& channel(const std::string& name) { return *channels_.at(name); }
  Engine& engine() { return desk_->engine(); }
  catalog::AlertBook& book() { return catalog_->alerts(); }

  void Look() { Check(desk_->LookOnce()); }
  // All that is due through all channels.
  int Deliver() {
    int count = 0;
    for (const auto& channel : desk_->channels()) {
      const auto delivered = desk_->DeliverDue(*channel, {});
      EXPECT_TRUE(delivered.ok()) << delivered.status();
      count += delivered.value_or(0);
    }
    return count;
  }
  // As the threads do it: looks every 15 s and delivers between.
  void Pass(absl::Duration time) {
    for (const absl::Time end = clock_.Now() + time; clock_.Now() < end;) {
      clock_.Move(std::min(kLookEvery, end - clock_.Now()));
      Look();
      Deliver();
    }
  }
  void Succeed(std::uint64_t seq, std::uint64_t bytes = 1000, std::uint64_t stored = 10) {
    catalog::SnapshotCommit commit;
    commit.source = db_;
    commit.run_id = Sha256(std::to_string(seq)).bytes().substr(0, 16);
    commit.seq = seq;
    commit.snapshot_id = Sha256("snapshot " + std::to_string(seq));
    commit.content_bytes = bytes;
    commit.stored_bytes = stored;
    Check(
        catalog_->SetAgentDomain(*AgentId::From(Bytes(16, 'a')), *DomainId::From(Bytes(16, 'd'))));
    const auto done = catalog_->CommitSnapshot(commit, NowMs());
    ASSERT_TRUE(done.ok()) << done.status();
    Check(catalog_->ClearFailure(db_));
    engine().Report({EventKind::kBackupSucceeded, db_, ""});
  }
  void Fail(const std::string& why) {
    Check(catalog_->RecordFailure(db_, {NowMs(), 10, 2114, why}));
    engine().Report({EventKind::kBackupFailed, db_, why});
  }
  std::vector<catalog::AlertRow> Open() { return *book().OpenAlerts(); }

  TempDir directory_;
  HandClock clock_;
  SeededRng rng_{7};
  const Env env_{clock_, rng_, RealFileSystem()};
  const SourceId db_ = *SourceId::From(Bytes(16, 's'));
  bool connected_ = true;
  std::vector<CertificateFacts> certificates_;
  std::function<void(SourceFacts*)> complete_;
  AlertConfig config_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<CatalogFacts> facts_;
  std::map<std::string, FakeChannel*> channels_;
  std::unique_ptr<AlertDesk> desk_;
};

}  // namespace holdfast::alert::test
