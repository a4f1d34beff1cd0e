// Goal: what is forgotten goes, wholly and in an order that survives any failure; what is kept
// reads as before; nothing expires while there is doubt.
// Method: backups over a real store and catalog; then a fault at every step that changes a file.
#include "tests/unit/controller/retention/collector_fixture.h"

namespace holdfast::retention {
namespace {

std::set<int> Range(int begin, int end) {
  std::set<int> chunks;
  for (int i = begin; i < end; ++i) chunks.insert(i);
  return chunks;
}

TEST_F(CollectorTest, ForgottenSnapshotsGoWhollyAndKeptOnesRead) {
  Backup(Range(0, 10));   // 1, full
  Backup(Range(10, 20));  // 2
  Backup(Range(15, 25));  // 3
  Backup(Range(15, 30));  // 4
  Backup(Range(15, 30));  // 5, full
  ASSERT_TRUE(collector_->Forget(source_, {1, 2}, "root").ok());
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 3u);

  const auto early = Run().value();
  EXPECT_TRUE(early.purged.empty()) << "its time in the trash is not over";
  ExpectReadable({1, 2, 3, 4, 5});
  const std::size_t packs = FilesIn("packs");
  RunToTheEnd();
  ExpectReadable({3, 4, 5});
  EXPECT_TRUE(absl::IsNotFound(catalog_->GetSnapshot(source_, 1).status()));
  EXPECT_LT(FilesIn("packs"), packs);
  EXPECT_EQ(catalog_->GetTotals()->chunk_count, 15u);
  // Records of 1 and 2 are gone; both lists stay, since those of 3 and 4 build on them.
  EXPECT_EQ(FilesIn("records"), 3u + 5u);
  // The key of run 1 sealed nothing that is left, that of run 2 did.
  EXPECT_FALSE(store_->GetEnvelope(sealing_.domain(), keys_[1]).ok());
  EXPECT_TRUE(store_->GetEnvelope(sealing_.domain(), keys_[2]).ok());

  ASSERT_TRUE(collector_->Forget(source_, {3, 4}, "root").ok());
  RunToTheEnd();
  ExpectReadable({5});
  EXPECT_EQ(FilesIn("records"), 2u) << "snapshot 5 has a full list: nothing before it is needed";
}

TEST_F(CollectorTest, PacksWithLittleInThemAreCopiedTogether) {
  for (int run = 0; run < 6; ++run) Backup(Range(run * 10, run * 10 + 10));
  std::set<int> few;
  for (int run = 0; run < 6; ++run) few.insert(run * 10);
  Backup(few);
  EXPECT_EQ(FilesIn("packs"), 6u);
  ASSERT_TRUE(collector_->Forget(source_, {1, 2, 3, 4, 5, 6}, "root").ok());
  RunToTheEnd();
  EXPECT_EQ(FilesIn("packs"), 1u);
  EXPECT_EQ(catalog_->GetTotals()->pack_count, 1u);
  ExpectReadable({7});
  const auto again = Run().value();
  EXPECT_EQ(again.repacked_packs, 0u) << "a pack that is full of use is left alone";
  Open();
  ExpectReadable({7});
}

TEST_F(CollectorTest, UndeletedInTimeNothingIsLost) {
  Backup(Range(0, 10));
  Backup(Range(10, 20));
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(catalog_->collection().Undelete(source_, 1).ok());
  RunToTheEnd();
  ExpectReadable({1, 2});
  EXPECT_EQ(KindOf(catalog_->collection().Undelete(source_, 1)), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(catalog_->collection().Undelete(source_, 9)), ErrorKind::kNotFound);
}

TEST_F(CollectorTest, TheNewestStaysUnlessItsSourceIsGone) {
  Backup(Range(0, 10));
  Backup(Range(5, 15));
  EXPECT_EQ(KindOf(collector_->Forget(source_, {1, 2}, "root")), ErrorKind::kRefused);
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 2u) << "all or nothing";
  SetSources(false);
  ASSERT_TRUE(collector_->Forget(source_, {1, 2}, "root").ok());
  RunToTheEnd();
  EXPECT_EQ(catalog_->GetTotals()->chunk_count, 0u);
  EXPECT_EQ(FilesIn("packs"), 0u);
  EXPECT_EQ(FilesIn("records"), 0u);
  EXPECT_EQ(FilesIn("envelopes"), 0u);
  // It comes back: numbers go on, and a difference to what is gone is refused.
  SetSources(true);
  EXPECT_EQ(catalog_->GetSource(source_)->head_seq, 2u);
}

TEST_F(CollectorTest, WhatAJobReadsIsNotPurged) {
  Backup(Range(0, 10));
  Backup(Range(10, 20));
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  being_read_ = true;
  RunToTheEnd();
  ExpectReadable({1, 2});
  being_read_ = false;
  RunToTheEnd();
  EXPECT_FALSE(catalog_->GetSnapshot(source_, 1).ok());
}

TEST_F(CollectorTest, ThePolicyExpiresAndSaysWhy) {
  for (int run = 0; run < 4; ++run) Backup(Range(run, run + 10));
  ASSERT_TRUE(collector_->SetPolicy(source_, ParsePolicy("last=2").value(), "root").ok());
  const auto preview = collector_->Preview().value();
  EXPECT_EQ(preview.trashed, (std::vector<std::string>{"db@2", "db@1"}));
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 4u) << "a preview changes nothing";
  EXPECT_EQ(Run()->trashed, preview.trashed);
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 2u);
  RunToTheEnd();
  ExpectReadable({3, 4});
  EXPECT_EQ(KindOf(collector_->SetPolicy(source_, Policy(), "root")), ErrorKind::kUsage);
}

TEST_F(CollectorTest, NothingExpiresInDoubtUntilItIsConfirmed) {
  for (int run = 0; run < 8; ++run) Backup(Range(run, run + 10));
  ASSERT_TRUE(collector_->SetPolicy(source_, ParsePolicy("last=1").value(), "root").ok());
  EXPECT_EQ(Run()->notes.size(), 1u);
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 8u);
  EXPECT_EQ(KindOf(collector_->Confirm(source_, 6, "root")), ErrorKind::kConflict);
  ASSERT_TRUE(collector_->Confirm(source_, 7, "root").ok());
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 1u);

  Backup(Range(0, 5));
  ASSERT_TRUE(catalog_->RecordFailure(source_, {1, 10, 0, "it failed"}).ok());
  EXPECT_TRUE(Run()->trashed.empty());
  ASSERT_TRUE(catalog_->ClearFailure(source_).ok());
  EXPECT_EQ(Run()->trashed.size(), 1u);
}

// Fault row 55: an agent that dates its snapshots back or ahead neither flushes the old ones nor
// keeps its own for ever.
TEST_F(CollectorTest, WhenAnAgentSaysASnapshotWasTakenDoesNotCount) {
  int run = 0;
  const std::uint64_t year_ahead = Millis() + 365ull * 86'400'000;
  for (const std::uint64_t taken : {Millis(), 0ul, ~0ul >> 1, ~0ul, year_ahead}) {
    taken_at_ms_ = taken;
    Backup(Range(run, run + 10));
    ++run;
  }
  taken_at_ms_.reset();
  ASSERT_TRUE(collector_->SetPolicy(source_, ParsePolicy("within=1h last=1").value(), "root").ok());
  EXPECT_TRUE(collector_->Preview()->trashed.empty()) << "all were committed within the hour";
  clock_.now += absl::Hours(3);
  Backup(Range(run, run + 10));
  ASSERT_TRUE(collector_->Confirm(source_, 5, "root").ok()) << "none of them is young";
  EXPECT_EQ(catalog_->ListSnapshots(source_, 10)->size(), 1u);
  ExpectReadable({6});
}

TEST_F(CollectorTest, NothingExpiresWhenTheClockLeaps) {
  Backup(Range(0, 10));
  Backup(Range(10, 20));
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  clock_.now += absl::Hours(24 * 365);
  EXPECT_EQ(Run()->notes.size(), 1u);
  ExpectReadable({1, 2});
  ASSERT_TRUE(catalog_->collection().Undelete(source_, 1).ok());
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  ASSERT_TRUE(collector_->AcceptClock("root").ok());
  EXPECT_TRUE(Run()->notes.empty());
  ExpectReadable({1, 2});
  clock_.now -= absl::Hours(2);
  EXPECT_EQ(Run()->notes.size(), 1u) << "it went back";
  // Running on for a day is what a right clock does.
  clock_.now += absl::Hours(24 * 20);
  EXPECT_EQ(Run()->notes.size(), 1u);
  clock_.running += absl::Hours(25);
  EXPECT_TRUE(Run()->notes.empty());
}

TEST_F(CollectorTest, ADamagedObjectIsNotCopiedAndItsPackStays) {
  Backup(Range(0, 10));
  Backup({0, 1, 50});
  const auto place = catalog_->Locate(sealing_.domain(), {Id(1)}).value()[0];
  const std::string path = directory_ / ("data/store/" + layout::PackPath(place.pack.name));
  Bytes bytes = RealFileSystem().ReadFile(path).value();
  bytes[place.offset_bytes + place.length_bytes - 1] ^= 1;
  std::filesystem::remove(path);
  Check(RealFileSystem().WriteAtomically(path, bytes));
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  RunToTheEnd();
  EXPECT_TRUE(std::filesystem::exists(path)) << "somebody may be able to mend it";
  EXPECT_FALSE(catalog_->FindChunks(sealing_.domain(), {Id(1)}).value()[0].live);
  // Stored again, nothing holds the old pack.
  Backup({0, 1, 50});
  ASSERT_TRUE(collector_->Forget(source_, {2}, "root").ok());
  RunToTheEnd();
  EXPECT_FALSE(std::filesystem::exists(path));
  ExpectReadable({3});
}

class CollectorUnderFault : public CollectorTest,
                            public testing::WithParamInterface<test::Fault> {};

TEST_P(CollectorUnderFault, KeptSnapshotsReadAndTheNextRunFinishes) {
  constexpr int kStepsMax = 400;
  int step = 0;
  for (bool fired = true; fired; ++step) {
    SCOPED_TRACE(testing::Message() << "fault at step " << step);
    ASSERT_LT(step, kStepsMax);
    const std::uint64_t first = seq_;
    const int base = step * 100;
    for (int run = 0; run < 3; ++run) Backup(Range(base + run * 10, base + run * 10 + 10));
    Backup({base, base + 10, base + 20});
    ASSERT_FALSE(HasFatalFailure());
    std::vector<std::uint64_t> going;
    const auto snapshots = catalog_->ListSnapshots(source_, 1000).value();
    for (const auto& row : snapshots) {
      if (row.seq != seq_) going.push_back(row.seq);
    }
    ASSERT_TRUE(collector_->Forget(source_, going, "root").ok()) << first;
    ASSERT_TRUE(Run().ok());
    clock_.now += absl::Hours(49);
    ASSERT_TRUE(Run().ok());  // purged and condemned
    clock_.now += absl::Hours(2);
    fs_->FailAt(step, GetParam());
    const auto failed = Run();
    fired = fs_->fired();
    // Without space for copies a run goes on, and says so.
    if (GetParam() != test::Fault::kNoSpace) {
      EXPECT_EQ(failed.ok(), !fired) << failed.status();
    }
    if (GetParam() == test::Fault::kCrash) fs_->LosePower(step % 2 == 0);
    Open();
    ExpectReadable({seq_});
    ASSERT_TRUE(Run().ok());
    ASSERT_TRUE(Run().ok());
    ExpectReadable({seq_});
    EXPECT_EQ(catalog_->GetTotals()->chunk_count, 3u);
    EXPECT_EQ(FilesIn("packs"), catalog_->GetTotals()->pack_count);
    EXPECT_EQ(FilesIn("packs"), 1u);
    if (HasFailure()) return;
  }
  EXPECT_GT(step, 5) << "no fault fired: the test would prove nothing";
}

INSTANTIATE_TEST_SUITE_P(Faults, CollectorUnderFault,
                         testing::Values(test::Fault::kError, test::Fault::kLateError,
                                         test::Fault::kNoSpace, test::Fault::kCrash));

TEST_F(CollectorTest, AStoreThatTakesNoWritesIsLeftAlone) {
  Backup(Range(0, 10));
  auto pack = store_->CreatePack().value();
  fs_->FailAt(0, test::Fault::kError);
  ASSERT_FALSE(pack->Sync().ok());
  const absl::Status status = Run().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  EXPECT_EQ(CodeOf(status), 5083);
}

TEST_F(CollectorTest, ARunStopsWhenItIsTold) {
  Backup(Range(0, 10));
  Backup(Range(10, 20));
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  std::stop_source stop;
  stop.request_stop();
  clock_.now += absl::Hours(24);
  ASSERT_TRUE(Run().ok());
  clock_.now += absl::Hours(24);
  EXPECT_TRUE(
      absl::IsCancelled(collector_->Run(Collector::Pace::kFast, stop.get_token()).status()));
  RunToTheEnd();
  ExpectReadable({2});
}

TEST_F(CollectorTest, WithoutAPolicyThatOfTheKindCounts) {
  Backup(Range(0, 10));
  EXPECT_FALSE(collector_->Explain(source_)->is_default);
  ASSERT_TRUE(catalog_->collection().SetPolicy(source_, "").ok());
  const auto found = collector_->Explain(source_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->is_default);
  EXPECT_EQ(PolicyText(found->policy), PolicyText(DefaultPolicy("postgres")));
}

TEST_F(CollectorTest, APreviewSaysWhatARunWouldDo) {
  for (int run = 0; run < 8; ++run) Backup(Range(run * 10, run * 10 + 10));
  ASSERT_TRUE(collector_->SetPolicy(source_, ParsePolicy("last=1").value(), "root").ok());
  const auto doubted = collector_->Preview().value();
  EXPECT_TRUE(doubted.trashed.empty());
  ASSERT_EQ(doubted.notes.size(), 1u);
  EXPECT_NE(doubted.notes[0].find("nothing of 'db' would expire"), std::string::npos);

  ASSERT_TRUE(collector_->SetPolicy(source_, ParsePolicy("last=1000").value(), "root").ok());
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  for (int day = 0; day < 3; ++day) {
    EXPECT_TRUE(collector_->Preview()->purged.empty()) << "in the trash for two days";
    clock_.now += absl::Hours(17);
    ASSERT_TRUE(Run().ok());
    if (day == 1) break;
  }
  clock_.now += absl::Hours(17);
  const auto due = collector_->Preview().value();
  EXPECT_EQ(due.purged, std::vector<std::string>{"db@1"});
  EXPECT_GT(due.waiting_bytes, 0u);
  EXPECT_EQ(Run()->purged, due.purged);

  // What was swept leaves packs without anything in them.
  clock_.now += absl::Hours(2);
  ASSERT_TRUE(Run().ok());
  ExpectReadable({2, 8});
}

// A pack of ten objects of which the catalog knows as many as `known`: the others were stored and
// never promised. With `swapped` ids it takes the first two for each other.
class CollectorPackTest : public CollectorTest {
 protected:
  std::vector<PackEntry> AddPack(std::size_t known, bool swapped) {
    auto pack = store_->CreatePack().value();
    const std::int64_t row = catalog_->AddOpenPack(sealing_.domain(), pack->number()).value();
    std::vector<PackEntry> entries;
    for (int chunk = 100; chunk < 110; ++chunk) {
      entries.push_back(pack->Append(Id(chunk), sealing_.Seal(Plain(chunk))).value());
    }
    if (swapped) std::swap(entries[0].id, entries[1].id);
    entries.resize(known);
    Check(pack->Sync());
    Check(catalog_->AddChunks(row, entries, {}));
    const std::uint64_t size = pack->size_bytes();
    Check(catalog_->FinishPack(row, pack->Finish().value(), size));
    Check(store_->Settle(pack->number()));
    return entries;
  }
};

TEST_F(CollectorPackTest, APreviewCountsPacksWithLittleOrNothingInThem) {
  AddPack(1, false);
  const auto preview = collector_->Preview().value();
  EXPECT_EQ(preview.repacked_packs, 1u);
  EXPECT_EQ(preview.removed_packs, 0u);
  EXPECT_GT(preview.freed_bytes, 0u);
  const auto report = Run().value();
  EXPECT_EQ(report.repacked_packs, preview.repacked_packs);
  EXPECT_LE(report.freed_bytes, preview.freed_bytes);
}

TEST_F(CollectorPackTest, AFullDiskCopiesNothingAndLosesNothing) {
  const auto entries = AddPack(1, false);
  fs_->SetFreeBytes(1000);
  const auto full = Run();
  ASSERT_TRUE(full.ok()) << full.status();
  ASSERT_EQ(full->notes.size(), 1u);
  EXPECT_EQ(full->notes[0].find("not everything was copied together: "), 0u) << full->notes[0];
  EXPECT_EQ(full->repacked_packs, 0u);
  EXPECT_TRUE(catalog_->FindChunks(sealing_.domain(), {entries[0].id}).value()[0].live);
  fs_->SetFreeBytes(1ull << 40);
  EXPECT_EQ(Run()->repacked_packs, 1u);
  EXPECT_TRUE(catalog_->FindChunks(sealing_.domain(), {entries[0].id}).value()[0].live);
}

TEST_F(CollectorPackTest, AnObjectThatIsAnotherOneIsNotCopied) {
  const auto entries = AddPack(2, true);
  ASSERT_TRUE(Run().ok());
  for (const PackEntry& entry : entries) {
    EXPECT_FALSE(catalog_->FindChunks(sealing_.domain(), {entry.id}).value()[0].live);
  }
  EXPECT_EQ(FilesIn("packs"), 1u) << "somebody may be able to mend it";
}

TEST_F(CollectorTest, ARecordThatDoesNotReadKeepsItsPlaceInTheQueue) {
  Backup(Range(0, 10));
  Backup(Range(10, 20));
  const std::string record = directory_ / ("data/store/" + layout::RecordPath(source_, 1));
  const Bytes bytes = RealFileSystem().ReadFile(record).value();
  std::filesystem::remove(record);
  std::filesystem::create_directory(record);
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(collector_->Forget(source_, {1}, "root").ok());
  absl::Status last;
  for (int day = 0; day < 4; ++day) {
    clock_.now += absl::Hours(24);
    last = Run().status();
  }
  EXPECT_FALSE(last.ok());
  std::filesystem::remove(record);
  Check(RealFileSystem().WriteAtomically(record, bytes));
  EXPECT_TRUE(Run().ok());
  EXPECT_FALSE(std::filesystem::exists(record));
}

TEST_F(CollectorTest, APackThatDoesNotReadKeepsTheEnvelopesOfItsDomain) {
  Backup(Range(0, 10));
  Backup({0, 1, 2, 3, 4, 5, 6, 7, 8, 50});
  Backup({60});
  const std::string path =
      directory_ /
      ("data/store/" +
       layout::PackPath(catalog_->Locate(sealing_.domain(), {Id(60)}).value()[0].pack.name));
  const Bytes bytes = RealFileSystem().ReadFile(path).value();
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  ASSERT_TRUE(Run().ok());
  ASSERT_TRUE(collector_->Forget(source_, {1, 2}, "root").ok());
  RunToTheEnd();
  EXPECT_TRUE(store_->GetEnvelope(sealing_.domain(), keys_[1]).ok()) << "it may be needed";
  std::filesystem::remove(path);
  Check(RealFileSystem().WriteAtomically(path, bytes));
  ASSERT_TRUE(Run().ok());
  EXPECT_FALSE(store_->GetEnvelope(sealing_.domain(), keys_[1]).ok());
  ExpectReadable({3});
}

}  // namespace
}  // namespace holdfast::retention
