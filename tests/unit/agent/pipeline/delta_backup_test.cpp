// Goal: changed data is stored as small deltas that restore byte by byte, their bases are in every
// reference set that needs them, and whatever the agent lost or the controller lacks, the run only
// stores more.
#include <filesystem>

#include "common/snapshot/chunk_reader.h"
#include "tests/unit/agent/pipeline/backup_run_fixture.h"

namespace holdfast::pipeline {
namespace {

class DeltaBackupTest : public BackupRunTest {
 protected:
  DeltaBackupTest() {
    for (int row = 0; row < 60'000; ++row) rows_.push_back(RandomRow());
    SetTable();
  }

  // Not from the agent's randomness, of which the sealing threads take in any order.
  std::string RandomRow() { return ToHex(row_rng_.Draw(30)) + "\tsome text of every row\n"; }
  void SetTable() {
    Bytes table;
    for (const std::string& row : rows_) table += row;
    source_.files = {{"table", std::move(table)}};
  }
  // Every 100th row gets other content.
  void Update(std::size_t offset) {
    for (std::size_t row = offset; row < rows_.size(); row += 100) rows_[row] = RandomRow();
    SetTable();
  }

  // A run that has to succeed.
  BackupReport Day() {
    test::FakeIngestSession session(controller_);
    RunProgress progress;
    BackupRun::Options options = Options();
    options.delta = {enabled_,
                     directory_ / "uploads.delta",
                     directory_ / "uploads.bases",
                     cache_bytes_,
                     keep_new_,
                     nullptr};
    if (fetches_) options.delta.fetcher = std::make_shared<CountingFetcher>(*this);
    const auto report = BackupRun(options).Run(source_, session, progress, {});
    EXPECT_TRUE(report.ok()) << report.status();
    kept_.push_back(source_.files);
    commits_ = session.commits;
    return report.ok() ? *report : BackupReport();
  }
  void ExpectAllRestore() {
    for (std::size_t day = 0; day < kept_.size(); ++day) ExpectRestores(day + 1, kept_[day]);
  }
  std::set<ChunkId> Deltas(std::uint64_t seq) {
    std::set<ChunkId> deltas;
    for (const ChunkId& id : controller_.snapshots.at(seq - 1).references) {
      if (!controller_.BasesOf(id).empty()) deltas.insert(id);
    }
    return deltas;
  }
  std::uint64_t CacheBytes() {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "uploads.bases")) {
      if (file.path().extension() == ".bases") bytes += file.file_size();
    }
    return bytes;
  }
  void Forget(const char* name) { std::filesystem::remove_all(directory_ / name); }

  class CountingFetcher final : public ChunkFetcher {
   public:
    explicit CountingFetcher(DeltaBackupTest& test) : test_(test) {}
    absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                             const std::vector<ChunkId>& ids) override {
      ++test_.fetched_;
      if (test_.fetch_fails_) return Error(ErrorKind::kUnreachable, 6001, "gone");
      return test_.controller_.Fetch(domain, ids);
    }
    absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key) override {
      return test_.controller_.FetchEnvelope(domain, key);
    }

   private:
    DeltaBackupTest& test_;
  };

  test::SeededRng row_rng_{17};
  std::vector<std::string> rows_;
  std::vector<Files> kept_;
  bool enabled_ = true;
  bool keep_new_ = false;
  std::uint64_t cache_bytes_ = 64u << 20;
  bool fetches_ = true;
  std::atomic<bool> fetch_fails_{false};
  std::atomic<int> fetched_{0};
  int commits_ = 0;
};

TEST_F(DeltaBackupTest, ScatteredUpdatesCostAFewPercentAndEveryDayRestores) {
  const BackupReport first = Day();
  EXPECT_EQ(first.sent_deltas, 0u);
  for (int day = 2; day <= 5; ++day) {
    Update(static_cast<std::size_t>(day) * 7);
    const BackupReport report = Day();
    EXPECT_GT(report.sent_deltas, 0u) << day;
    EXPECT_LT(report.stored_bytes, first.stored_bytes * 4 * (day - 1) / 100) << day;
    EXPECT_FALSE(Deltas(report.seq).empty());
  }
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, RowsThatMoveStayNearTheirOldPlace) {
  const BackupReport first = Day();
  for (std::size_t at = 50; at < rows_.size(); at += 300) {
    rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(at));
    rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(at / 2), RandomRow());
  }
  SetTable();
  const BackupReport second = Day();
  EXPECT_LT(second.stored_bytes, first.stored_bytes * 8 / 100);
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, MuchThatIsNewInOnePlaceDoesNotDiscourageTheRest) {
  const BackupReport first = Day();
  Update(3);
  // In the first chunks, so that what was there before follows it.
  std::vector<std::string> put_in;
  for (int row = 0; row < 120'000; ++row) put_in.push_back(RandomRow());
  rows_.insert(rows_.begin() + 5'000, put_in.begin(), put_in.end());
  SetTable();
  const BackupReport second = Day();
  EXPECT_LT(second.stored_bytes, first.stored_bytes * (200 + 60) / 100);
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, UnchangedDeltasKeepTheirBases) {
  Day();
  Update(3);
  Day();
  const std::set<ChunkId> deltas = Deltas(2);
  ASSERT_FALSE(deltas.empty());
  // The file is reused without being read, then read again, and so on over a full list.
  for (int day = 3; day <= 18; ++day) {
    if (day % 4 == 0) source_.files["other"] = std::to_string(day);
    const BackupReport report = Day();
    EXPECT_LT(report.new_bytes, 100'000u);
    EXPECT_EQ(Deltas(report.seq), deltas) << day;
  }
  for (const std::size_t day : {1, 2, 17, 18}) ExpectRestores(day, kept_[day - 1]);
}

TEST_F(DeltaBackupTest, BasesLeaveTheReferencesWithTheirLastDelta) {
  Day();
  Update(3);
  Day();
  rows_.clear();
  for (int row = 0; row < 20'000; ++row) rows_.push_back(RandomRow());
  SetTable();
  Day();
  EXPECT_TRUE(Deltas(3).empty());
  EXPECT_LT(controller_.snapshots[2].references.size(), 4u);
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, WithoutTheStateTheBasesAreAskedForAndNothingIsMade) {
  Day();
  Update(3);
  Day();
  const std::set<ChunkId> deltas = Deltas(2);
  for (const auto& lost : {std::vector<const char*>{"uploads.delta"},
                           std::vector<const char*>{"uploads.delta", "uploads.last"},
                           std::vector<const char*>{"uploads.last"}}) {
    for (const char* name : lost) Forget(name);
    const BackupReport report = Day();
    EXPECT_EQ(Deltas(report.seq), deltas) << "the bases of what is kept are in the set";
    EXPECT_EQ(commits_, 1);
  }
  Forget("uploads.delta");
  Update(9);
  EXPECT_EQ(Day().sent_deltas, 0u);
  Update(11);
  EXPECT_GT(Day().sent_deltas, 0u) << "the run without state remembered for the next one";
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, TheCacheIsFilledByWhatChanges) {
  Day();
  EXPECT_EQ(CacheBytes(), 0u) << "nothing has changed yet";
  Update(3);
  EXPECT_GT(Day().sent_deltas, 0u);
  EXPECT_GT(fetched_, 0);
  EXPECT_GT(CacheBytes(), 0u);
}

TEST_F(DeltaBackupTest, OrByAllWhereEverythingIsLikelyToChange) {
  keep_new_ = true;
  const BackupReport first = Day();
  EXPECT_GT(CacheBytes(), first.stored_bytes * 9 / 10);
  Update(3);
  EXPECT_GT(Day().sent_deltas, 0u);
  EXPECT_EQ(fetched_, 0) << "nothing has to come back from the controller";
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, WithoutTheCacheBasesComeFromTheController) {
  fetches_ = false;
  Day();
  Update(3);
  EXPECT_EQ(Day().sent_deltas, 0u) << "neither cache nor controller";
  Forget("uploads.bases");
  fetches_ = true;
  Update(4);
  EXPECT_GT(Day().sent_deltas, 0u);
  EXPECT_GT(fetched_, 0);
  // What was fetched is in the cache now.
  fetched_ = 0;
  Update(5);
  EXPECT_GT(Day().sent_deltas, 0u);
  EXPECT_EQ(fetched_, 0);
  Forget("uploads.bases");
  fetch_fails_ = true;
  Update(6);
  EXPECT_EQ(Day().sent_deltas, 0u);
  EXPECT_LE(fetched_, 2) << "one try of each sealing thread";
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, OffMakesNoneKeepsNothingAndLosesNoBase) {
  Day();
  Update(3);
  Day();
  const std::set<ChunkId> deltas = Deltas(2);
  enabled_ = false;
  source_.files["other"] = "x";
  EXPECT_EQ(Day().sent_deltas, 0u);
  EXPECT_EQ(Deltas(3), deltas);
  Update(4);
  EXPECT_EQ(Day().sent_deltas, 0u);
  EXPECT_EQ(CacheBytes(), 0u);
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, ALineThatCostsAsMuchAsANewBaseGetsOne) {
  Day();
  std::uint64_t rebased = 0;
  for (int day = 2; day <= 12; ++day) {
    for (std::size_t row = static_cast<std::size_t>(day); row < rows_.size(); row += 12) {
      rows_[row] = RandomRow();
    }
    SetTable();
    const BackupReport report = Day();
    const std::uint64_t plain = report.sent_objects - report.sent_deltas - 1;  // the manifest
    // A delta costs a twelfth of a plain chunk more on every day.
    if (day <= 3) {
      EXPECT_EQ(plain, 0u) << day;
    }
    rebased += plain;
  }
  EXPECT_GE(rebased, 4u) << "of some five chunks";
  EXPECT_LE(rebased, 20u);
  // Depth stays 1 whatever happened before.
  for (const auto& [id, object] : controller_.objects) {
    for (const ChunkId& base : controller_.BasesOf(id)) {
      EXPECT_TRUE(controller_.BasesOf(base).empty());
    }
  }
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, ALostBaseIsReplacedByPlainChunks) {
  Day();
  Update(3);
  Day();
  std::set<ChunkId> bases;
  for (const ChunkId& id : Deltas(2)) {
    for (const ChunkId& base : controller_.BasesOf(id)) bases.insert(base);
  }
  controller_.objects.erase(*bases.begin());
  const BackupReport report = Day();
  EXPECT_EQ(commits_, 2) << "the controller names what it lacks";
  EXPECT_GT(report.stored_bytes, 0u);
  EXPECT_FALSE(controller_.snapshots.back().references.contains(*bases.begin()));
  ExpectRestores(2, kept_[1]);
  ExpectRestores(3, kept_[2]);
}

TEST_F(DeltaBackupTest, ABaseThatTheControllerHasOnlyAsADeltaIsNotUsed) {
  Day();
  Update(3);
  Day();
  // What an agent believes that was restored from an older copy of its disk.
  const std::string path = directory_ / "uploads.delta";
  const Hash256 head = RecordHash(controller_.snapshots.back().record);
  delta::DeltaState known;
  ASSERT_TRUE(known.Load(RealFileSystem(), path, head));
  delta::DeltaState wrong;
  for (delta::KnownChunk chunk : known.chunks()) {
    chunk.bases.clear();
    wrong.Add(chunk);
  }
  ASSERT_TRUE(wrong.Save(RealFileSystem(), path, head).ok());
  Update(4);
  EXPECT_EQ(Day().sent_deltas, 0u);
  for (const auto& [id, object] : controller_.objects) {
    for (const ChunkId& base : controller_.BasesOf(id)) {
      EXPECT_TRUE(controller_.BasesOf(base).empty());
    }
  }
}

TEST_F(DeltaBackupTest, ForeignDataIsStoredPlain) {
  Day();
  for (std::string& row : rows_) row = RandomRow();
  SetTable();
  const BackupReport report = Day();
  EXPECT_EQ(report.sent_deltas, 0u);
  ExpectAllRestore();
}

TEST_F(DeltaBackupTest, AReadNamesTheBaseThatIsMissingOrDamagedAndTheEntry) {
  Day();
  Update(3);
  Day();
  const ChunkId base = controller_.BasesOf(*Deltas(2).begin()).at(0);
  const Bytes good = controller_.objects.at(base);
  Bytes flipped = good;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  for (const bool missing : {true, false}) {
    if (missing) {
      controller_.objects.erase(base);
    } else {
      controller_.objects[base] = flipped;
    }
    const auto opened = Open(2, agent_.recovery);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto read = ReadAll(*opened->view, opened->view->Find("table").value());
    EXPECT_EQ(KindOf(read.status()), ErrorKind::kIntegrity) << read.status();
    EXPECT_NE(MessageOf(read.status()).find(base.hex()), std::string::npos) << read.status();
    EXPECT_NE(MessageOf(read.status()).find("table"), std::string::npos) << read.status();
    const auto check =
        CheckSnapshot(*opened, 100, 1, [](std::uint64_t, std::uint64_t) { return true; });
    ASSERT_TRUE(check.ok()) << check.status();
    ASSERT_EQ(check->damaged.size(), 1u);
    EXPECT_EQ(check->damaged[0].path, "table");
  }
  controller_.objects[base] = good;
  ExpectAllRestore();
}

// The view reads every base once for all the deltas beside each other.
TEST_F(DeltaBackupTest, ReadingFetchesABaseOnce) {
  Day();
  Update(3);
  Day();
  std::map<ChunkId, int> fetches;
  class Counting final : public ChunkFetcher {
   public:
    Counting(test::FakeController& controller, std::map<ChunkId, int>& fetches)
        : controller_(controller), fetches_(fetches) {}
    absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                             const std::vector<ChunkId>& ids) override {
      for (const ChunkId& id : ids) ++fetches_[id];
      return controller_.Fetch(domain, ids);
    }
    absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key) override {
      return controller_.FetchEnvelope(domain, key);
    }

   private:
    test::FakeController& controller_;
    std::map<ChunkId, int>& fetches_;
  };
  const auto opened =
      OpenSnapshot(controller_.Documents(2), {source_id_, 2}, agent_.owner.public_key,
                   agent_.recovery, std::make_shared<Counting>(controller_, fetches));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Entry entry = opened->view->Find("table").value();
  EXPECT_TRUE(ReadAll(*opened->view, entry).value() == source_.files["table"]);
  for (const auto& [id, count] : fetches) EXPECT_EQ(count, 1) << id.hex();
}

}  // namespace
}  // namespace holdfast::pipeline
