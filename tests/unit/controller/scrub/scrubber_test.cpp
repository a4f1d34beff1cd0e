// Goal: every pack is read once in a period, also over restarts; damage is repaired from parity, or
// marked object by object and named with the snapshots that need it; what is whole again is LIVE.
#include "controller/scrub/scrubber.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "controller/scrub/scrub_state.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/stepped_clock.h"
#include "tests/unit/controller/store/store_fixture.h"

namespace holdfast::scrub {
namespace {

namespace stdfs = std::filesystem;
using store::MakeObject;
using store::SealedObject;

// Time stands still until it is moved; sleeping moves it.
class StandingClock final : public Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1'800'000'000) + moved_; }
  absl::Duration Monotonic() override { return moved_; }
  bool SleepFor(absl::Duration duration, std::stop_token) override {
    moved_ += duration;
    slept_ += duration;
    return true;
  }
  void Move(absl::Duration by) { moved_ += by; }
  absl::Duration slept() const { return slept_; }

 private:
  absl::Duration moved_;
  absl::Duration slept_;
};

class ScrubberTest : public testing::Test {
 protected:
  ScrubberTest() { Open(2); }

  void Open(unsigned parity_percent) {
    scrubber_.reset();
    store_.reset();
    std::vector<store::RecoveredPack> recovered;
    auto opened = store::Store::Open(env_, directory_.path(), &recovered, parity_percent);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    if (!catalog_) {
      auto catalog = catalog::Catalog::Open(env_, directory_ / "catalog.db");
      ASSERT_TRUE(catalog.ok()) << catalog.status();
      catalog_ = *std::move(catalog);
      AddSource();
    }
    scrubber_ =
        std::make_unique<Scrubber>(env_, *catalog_, *store_, directory_ / "scrub.state", options_);
  }

  void AddSource() {
    catalog::AgentRow agent;
    agent.id = env_.rng.DrawFixed<AgentId>();
    agent.name = "agent";
    ASSERT_TRUE(catalog_->AddToken({"token", Sha256("s"), "agent", 1ull << 60}).ok());
    ASSERT_TRUE(catalog_->Enrol("token", "s", agent, 1).ok());
    ASSERT_TRUE(catalog_->SetAgentDomain(agent.id, domain_).ok());
    catalog::SourceRow source;
    source.id = source_;
    source.name = "uploads";
    source.kind = "files";
    ASSERT_TRUE(catalog_->SetSources(agent.id, {source}).ok());
  }

  struct Written {
    PackName name;
    std::vector<PackEntry> entries;
  };
  // A pack of objects of `sizes`, and a snapshot of everything that was written so far.
  Written WritePack(const std::vector<std::size_t>& sizes) {
    Written written;
    auto pack = store_->CreatePack().value();
    const std::int64_t row = catalog_->AddOpenPack(domain_, pack->number()).value();
    for (const std::size_t size : sizes) {
      const SealedObject object = MakeObject(size);
      written.entries.push_back(pack->Append(object.id, object.bytes).value());
      all_.push_back(object.id);
    }
    EXPECT_TRUE(pack->Sync().ok());
    EXPECT_TRUE(catalog_->AddChunks(row, written.entries, {}).ok());
    const std::uint64_t bytes = pack->size_bytes();
    written.name = pack->Finish().value();
    EXPECT_TRUE(catalog_->FinishPack(row, written.name, bytes).ok());
    catalog::SnapshotCommit commit;
    commit.source = source_;
    commit.seq = ++seq_;
    commit.run_id = Bytes(16, static_cast<char>(seq_));
    std::sort(all_.begin(), all_.end());
    commit.added = all_;
    EXPECT_TRUE(catalog_->CommitSnapshot(commit, 1)->missing.empty());
    return written;
  }
  ScrubReport RunAll() {
    auto report = scrubber_->Run(ScrubScope::kAll, [](const auto&) { return true; });
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *std::move(report) : ScrubReport();
  }
  bool IsLive(const ChunkId& id) { return catalog_->FindChunks(domain_, {id}).value()[0].live; }
  std::string PackPath(const PackName& name) {
    return directory_ / ("store/" + layout::PackPath(name));
  }
  std::string ParityPath(const PackName& name) {
    return directory_ / ("store/" + layout::ParityPath(name));
  }
  static void Spoil(const std::string& path, std::size_t at, std::size_t count = 1) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (std::size_t i = 0; i < count; ++i) {
      file.seekg(static_cast<std::streamoff>(at + i));
      const char byte = static_cast<char>(file.get() ^ 0x10);
      file.seekp(static_cast<std::streamoff>(at + i));
      file.put(byte);
    }
  }

  test::TempDir directory_;
  StandingClock clock_;
  const Env env_{clock_, RealRng(), RealFileSystem()};
  ScrubOptions options_;
  const DomainId domain_ = env_.rng.DrawFixed<DomainId>();
  const SourceId source_ = env_.rng.DrawFixed<SourceId>();
  std::vector<ChunkId> all_;
  std::uint64_t seq_ = 0;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Scrubber> scrubber_;
};

TEST_F(ScrubberTest, ASoundStoreIsReadWholeAndNothingChanges) {
  const Written a = WritePack({1000, 2000});
  const Written b = WritePack({30'000});
  const ScrubReport report = RunAll();
  EXPECT_EQ(report.packs, 2u);
  EXPECT_EQ(report.repaired + report.parity_made + report.bad_chunks, 0u);
  EXPECT_TRUE(report.damage.empty());
  EXPECT_EQ(scrubber_->completed(), clock_.Now());
}

TEST_F(ScrubberTest, DamageIsRepairedFromParity) {
  const Written a = WritePack({5000, 20'000});
  const Bytes before = env_.fs.ReadFile(PackPath(a.name)).value();
  Spoil(PackPath(a.name), a.entries[1].offset_bytes + 500, 300);
  const ScrubReport report = RunAll();
  EXPECT_EQ(report.repaired, 1u);
  EXPECT_EQ(report.bad_chunks, 0u);
  EXPECT_TRUE(env_.fs.ReadFile(PackPath(a.name)).value() == before);
  EXPECT_TRUE(IsLive(a.entries[1].id));
}

TEST_F(ScrubberTest, MissingAndDamagedParityIsMadeAnew) {
  const Written a = WritePack({5000});
  const Written b = WritePack({6000});
  const Bytes parity = env_.fs.ReadFile(ParityPath(a.name)).value();
  stdfs::remove(ParityPath(a.name));
  Spoil(ParityPath(b.name), stdfs::file_size(ParityPath(b.name)) - 5);
  EXPECT_EQ(RunAll().parity_made, 2u);
  EXPECT_TRUE(env_.fs.ReadFile(ParityPath(a.name)).value() == parity);
  EXPECT_EQ(RunAll().parity_made, 0u);
}

TEST_F(ScrubberTest, AStoreWithoutParityGetsIt) {
  Open(0);
  const Written a = WritePack({5000});
  EXPECT_FALSE(stdfs::exists(ParityPath(a.name)));
  EXPECT_EQ(RunAll().parity_made, 0u);
  Open(2);
  EXPECT_EQ(RunAll().parity_made, 1u);
  Spoil(PackPath(a.name), 100);
  EXPECT_EQ(RunAll().repaired, 1u);
}

TEST_F(ScrubberTest, WhatIsLostIsMarkedAndNamedAndComesBack) {
  Open(0);
  const Written a = WritePack({5000, 6000});
  const Written b = WritePack({7000});
  const Bytes whole = env_.fs.ReadFile(PackPath(a.name)).value();
  Spoil(PackPath(a.name), a.entries[1].offset_bytes + 500);
  ScrubReport report = RunAll();
  EXPECT_EQ(report.damaged_packs, std::vector<PackName>{a.name});
  EXPECT_EQ(report.bad_chunks, 1u);
  EXPECT_TRUE(IsLive(a.entries[0].id));
  EXPECT_FALSE(IsLive(a.entries[1].id));
  EXPECT_TRUE(IsLive(b.entries[0].id));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].name, "uploads");
  EXPECT_EQ(report.damage[0].chunks, 1u);
  EXPECT_EQ(report.damage[0].seqs, (std::vector<std::uint64_t>{1, 2}));

  // The file is put back from a copy of the store.
  std::ofstream(PackPath(a.name), std::ios::binary | std::ios::trunc) << whole;
  report = RunAll();
  EXPECT_EQ(report.revived_chunks, 1u);
  EXPECT_TRUE(report.damage.empty());
  EXPECT_TRUE(IsLive(a.entries[1].id));
}

TEST_F(ScrubberTest, AMissingPackLosesItsChunks) {
  const Written a = WritePack({5000, 6000});
  const Written b = WritePack({7000});
  stdfs::remove(PackPath(a.name));
  const ScrubReport report = RunAll();
  EXPECT_EQ(report.bad_chunks, 2u);
  EXPECT_FALSE(IsLive(a.entries[0].id));
  EXPECT_TRUE(IsLive(b.entries[0].id));
  EXPECT_FALSE(stdfs::exists(ParityPath(a.name))) << "parity of a pack that is gone";
}

TEST_F(ScrubberTest, DeltasFollowTheirBase) {
  Open(0);
  const Written a = WritePack({5000});
  auto pack = store_->CreatePack().value();
  const std::int64_t row = catalog_->AddOpenPack(domain_, pack->number()).value();
  const SealedObject delta = MakeObject(100);
  const PackEntry entry = pack->Append(delta.id, delta.bytes).value();
  ASSERT_TRUE(catalog_->AddChunks(row, {entry}, {{delta.id, {a.entries[0].id}}}).ok());
  ASSERT_TRUE(catalog_->FinishPack(row, pack->Finish().value(), 1000).ok());
  const Bytes whole = env_.fs.ReadFile(PackPath(a.name)).value();
  Spoil(PackPath(a.name), a.entries[0].offset_bytes + 500);
  RunAll();
  EXPECT_FALSE(IsLive(delta.id));
  std::ofstream(PackPath(a.name), std::ios::binary | std::ios::trunc) << whole;
  RunAll();
  EXPECT_TRUE(IsLive(delta.id));
}

TEST_F(ScrubberTest, ARoundFollowsThePeriodAndIsKeptOverRestarts) {
  options_.period = absl::Hours(1000);
  Open(2);
  std::vector<Written> packs;
  for (int i = 0; i < 10; ++i) packs.push_back(WritePack({10'000}));
  for (const Written& pack : packs) stdfs::remove(ParityPath(pack.name));
  const auto read = [&] {  // packs that were read have parity again
    return std::count_if(packs.begin(), packs.end(),
                         [&](const Written& pack) { return stdfs::exists(ParityPath(pack.name)); });
  };
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 0);
  clock_.Move(absl::Hours(250));
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 3);
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 3);
  Open(2);  // a restart
  clock_.Move(absl::Hours(245));
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 5);
  EXPECT_EQ(scrubber_->completed(), absl::InfinitePast());
  clock_.Move(absl::Hours(600));
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 10);
  EXPECT_EQ(scrubber_->completed(), clock_.Now());

  // The next round has begun, and comes to the last pack at its end: nothing is read twice before.
  const auto last = std::max_element(packs.begin(), packs.end(),
                                     [](const auto& a, const auto& b) { return a.name < b.name; });
  stdfs::remove(ParityPath(last->name));
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 9);
  clock_.Move(absl::Hours(2000));
  scrubber_->ReadWhatIsDue({});
  EXPECT_EQ(read(), 10);
}

TEST_F(ScrubberTest, TheThreadReadsNoFasterThanItMay) {
  options_.rate_bytes = 100'000;
  options_.period = absl::Seconds(1);
  Open(2);
  WritePack({500'000, 500'000});
  scrubber_->ReadWhatIsDue({});
  clock_.Move(absl::Seconds(2));
  scrubber_->ReadWhatIsDue({});
  EXPECT_GE(clock_.slept(), absl::Seconds(10));
  EXPECT_LE(clock_.slept(), absl::Seconds(11));
}

TEST_F(ScrubberTest, ADamagedStateBeginsARoundAnew) {
  WritePack({10'000});
  RunAll();
  ASSERT_NE(scrubber_->completed(), absl::InfinitePast());
  Open(2);
  EXPECT_NE(scrubber_->completed(), absl::InfinitePast()) << "kept";
  const std::size_t size = stdfs::file_size(directory_ / "scrub.state");
  for (std::size_t at = 0; at < size; ++at) {
    Spoil(directory_ / "scrub.state", at);
    EXPECT_EQ(LoadScrubState(env_.fs, directory_ / "scrub.state").completed, absl::InfinitePast());
    Spoil(directory_ / "scrub.state", at);
  }
}

TEST_F(ScrubberTest, ARunStopsWhenItIsTold) {
  WritePack({10'000});
  const auto report = scrubber_->Run(ScrubScope::kAll, [](const auto&) { return false; });
  EXPECT_TRUE(absl::IsCancelled(report.status()));
  EXPECT_EQ(scrubber_->completed(), absl::InfinitePast());
}

TEST_F(ScrubberTest, TheRestOfARoundLeavesOutWhatWasRead) {
  std::vector<PackName> names = {WritePack({10'000}).name, WritePack({10'000}).name};
  std::sort(names.begin(), names.end());
  const auto first = scrubber_->Run(ScrubScope::kRestOfRound,
                                    [](const auto& progress) { return progress.packs_done == 0; });
  ASSERT_TRUE(absl::IsCancelled(first.status()));
  std::uint64_t total = 0;
  const auto all = scrubber_->Run(ScrubScope::kRestOfRound, [&](const auto& progress) {
    total = progress.packs_total;
    return true;
  });
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(total, 2u) << "a pack counts as read when the run went on after it";
  EXPECT_EQ(all->packs, 2u);
  EXPECT_EQ(scrubber_->completed(), clock_.Now());

  ScrubState state = LoadScrubState(env_.fs, directory_ / "scrub.state");
  state.position = names[0];
  ASSERT_TRUE(SaveScrubState(env_.fs, directory_ / "scrub.state", state).ok());
  Open(2);
  const auto rest = scrubber_->Run(ScrubScope::kRestOfRound, [](const auto&) { return true; });
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ(rest->packs, 1u);
}

// A store that takes no writes is no reason to call anything lost.
TEST_F(ScrubberTest, WhatCannotBeRepairedNowIsSaidAndNotMarked) {
  const Written pack = WritePack({10'000});
  test::FaultyFileSystem fs;
  scrubber_.reset();
  store_.reset();
  std::vector<store::RecoveredPack> recovered;
  const Env env{clock_, RealRng(), fs};
  store_ = store::Store::Open(env, directory_.path(), &recovered, 2).value();
  Scrubber scrubber(env, *catalog_, *store_, directory_ / "scrub.state", options_);
  const auto run = [&] {
    fs.FailAt(0, test::Fault::kError);
    return scrubber.Run(ScrubScope::kAll, [](const auto&) { return true; }).status();
  };
  Spoil(PackPath(pack.name), 3'000);
  absl::Status status = run();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  EXPECT_EQ(CodeOf(status), 5079);
  EXPECT_NE(MessageOf(status).find("unable to repair pack " + pack.name.hex()), std::string::npos);
  EXPECT_TRUE(IsLive(pack.entries[0].id));

  fs.Heal();
  ASSERT_TRUE(scrubber.Run(ScrubScope::kAll, [](const auto&) { return true; }).ok());
  stdfs::remove(ParityPath(pack.name));
  status = run();
  EXPECT_EQ(CodeOf(status), 5079) << status;
  EXPECT_NE(MessageOf(status).find("unable to write the parity of pack"), std::string::npos);
  EXPECT_TRUE(IsLive(pack.entries[0].id));
}

TEST_F(ScrubberTest, TheThreadReadsWhatIsDueAndOutlivesAFailure) {
  const Written pack = WritePack({10'000});
  stdfs::remove(ParityPath(pack.name));
  test::SteppedClock clock;
  options_.period = absl::Hours(1000);
  // Where the state cannot be written, packs are read all the same.
  Scrubber scrubber({clock, RealRng(), RealFileSystem()}, *catalog_, *store_,
                    directory_ / "missing/scrub.state", options_);
  scrubber.Start();
  clock.Pass(1);  // a round begins
  EXPECT_FALSE(stdfs::exists(ParityPath(pack.name)));
  clock.Pass(3);  // a look, the pace of reading, and a look after the failure
  EXPECT_TRUE(stdfs::exists(ParityPath(pack.name)));
}

}  // namespace
}  // namespace holdfast::scrub
