// Goal: the store alone gives the catalog back: every snapshot with exactly the chunks that its
// lists name, every chunk where it lies, deltas with their bases; what is damaged is named and
// costs no more than itself.
#include "controller/rebuild/rebuild.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "common/format/commit_facts.h"
#include "common/format/layout.h"
#include "common/format/pack_file.h"
#include "common/format/reference_list.h"
#include "controller/catalog/catalog.h"
#include "controller/catalog/catalog_builder.h"
#include "controller/store/store.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/sealed_snapshot.h"
#include "tests/support/temp_dir.h"

namespace holdfast::rebuild {
namespace {

namespace stdfs = std::filesystem;
using test::CommittedSnapshot;
using testing::HasSubstr;

class RebuildTest : public testing::Test {
 protected:
  // One file of 20 chunks, of which each further snapshot changes one, every third as a delta.
  CommittedSnapshot CommitNext() {
    const std::size_t at = (snapshots_.size() * 1000) % content_.size();
    content_.replace(at, 10, "changed " + std::to_string(snapshots_.size() % 10) + " ");
    test::CommitOptions options;
    options.delta = snapshots_.size() % 3 == 2;
    snapshots_.push_back(store_.Commit("uploads", {test::FileNamed("a", content_)}, options));
    return snapshots_.back();
  }
  void CommitMany(int count) {
    for (int i = 0; i < count; ++i) CommitNext();
  }

  void SeededContent() { content_ = test::SeededRng(3).Draw(2'000'000); }

  RebuildReport Run() {
    catalog_.reset();
    auto report = RebuildCatalog(RealEnv(), {store_.data_directory(), Bytes(16, 'c'), {}});
    EXPECT_TRUE(report.ok()) << report.status();
    if (!report.ok()) return {};
    auto opened = catalog::Catalog::Open(RealEnv(), CatalogPath());
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) catalog_ = *std::move(opened);
    return *std::move(report);
  }
  std::string CatalogPath() const { return store_.data_directory() + "/catalog/catalog.db"; }

  // What the signed lists say, worked out anew.
  std::set<ChunkId> SetOf(const CommittedSnapshot& snapshot) const {
    std::set<ChunkId> set;
    for (std::uint64_t seq = 1; seq <= snapshot.seq; ++seq) {
      const auto list =
          DecodeReferenceList(Load(store_.Path(layout::ReferencesPath(snapshot.source, seq))))
              .value();
      if (list.full) set.clear();
      set.insert(list.added.begin(), list.added.end());
      for (const ChunkId& id : list.removed) set.erase(id);
    }
    return set;
  }
  void ExpectSet(const CommittedSnapshot& snapshot) {
    const auto references = catalog_->References(snapshot.source, snapshot.seq);
    ASSERT_TRUE(references.ok()) << references.status();
    const std::set<ChunkId> set = SetOf(snapshot);
    EXPECT_EQ(*references, std::vector<ChunkId>(set.begin(), set.end())) << snapshot.seq;
  }
  // Every chunk reads from where the catalog says, as the object that it names.
  void ExpectReadable(const CommittedSnapshot& snapshot) {
    std::vector<store::RecoveredPack> recovered;
    auto store = store::Store::Open(RealEnv(), store_.data_directory(), &recovered);
    ASSERT_TRUE(store.ok()) << store.status();
    const std::set<ChunkId> set = SetOf(snapshot);
    const std::vector<ChunkId> ids(set.begin(), set.end());
    const auto places = catalog_->Locate(store_.secrets().domain, ids);
    ASSERT_TRUE(places.ok()) << places.status();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto& place = (*places)[i];
      const auto object =
          (*store)->ReadObject(place.pack.name, 0, place.offset_bytes, place.length_bytes);
      ASSERT_TRUE(object.ok()) << object.status();
      EXPECT_EQ(ParseObjectHeader(*object)->chunk_id, ids[i]);
    }
  }
  std::uint64_t LiveCount(const CommittedSnapshot& snapshot) {
    const std::set<ChunkId> set = SetOf(snapshot);
    const auto found =
        catalog_->FindChunks(store_.secrets().domain, {set.begin(), set.end()}).value();
    return static_cast<std::uint64_t>(
        std::count_if(found.begin(), found.end(), [](const auto& chunk) { return chunk.live; }));
  }

  static Bytes Load(const std::string& path) { return RealFileSystem().ReadFile(path).value(); }
  static void Flip(const std::string& path, std::size_t offset) {
    Bytes bytes = Load(path);
    bytes.at(offset) = static_cast<char>(bytes[offset] ^ 0x10);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static std::string TextOf(const RebuildReport& report) {
    std::string text;
    for (const Finding& finding : report.damage)
      text += finding.what + ": " + finding.reason + "\n";
    return text;
  }
  std::string RefsPath(std::uint64_t seq) const {
    return store_.Path(layout::ReferencesPath(snapshots_[0].source, seq));
  }
  std::string RecordPath(std::uint64_t seq) const {
    return store_.Path(layout::RecordPath(snapshots_[0].source, seq));
  }

  test::TempDir directory_;
  test::SealedStore store_{directory_ / "data", 7};
  Bytes content_ = test::Compressible(20'000);
  std::vector<CommittedSnapshot> snapshots_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

TEST_F(RebuildTest, EverySnapshotHasExactlyItsChunks) {
  CommitMany(20);  // two full lists
  const RebuildReport report = Run();
  EXPECT_EQ(TextOf(report), "");
  EXPECT_EQ(report.snapshots, 20u);
  EXPECT_EQ(report.agents, 1u);
  EXPECT_EQ(report.chunks.lost_chunks, 0u);
  EXPECT_EQ(report.chunks.unreferenced, 0u);
  for (const CommittedSnapshot& snapshot : snapshots_) ExpectSet(snapshot);
  ExpectReadable(snapshots_.front());
  ExpectReadable(snapshots_.back());

  const catalog::Installation installation = catalog_->GetInstallation().value();
  EXPECT_EQ(installation.controller_id, Bytes(16, 'c'));
  EXPECT_EQ(installation.owner, store_.owner().public_key);
  EXPECT_EQ(installation.recipients_version, 1u);
  const catalog::AgentRow agent = catalog_->FindAgent("web-1").value();
  EXPECT_EQ(agent.id, store_.identity().agent_id);
  EXPECT_EQ(agent.domain, store_.secrets().domain);
  const catalog::SourceRow source = catalog_->GetSource(snapshots_[0].source).value();
  EXPECT_EQ(source.head_seq, 20u);
  EXPECT_EQ(source.agent, agent.id);
  EXPECT_EQ(catalog_->GetSnapshot(source.id, 20)->snapshot_id, RecordHash(snapshots_[19].record));
}

TEST_F(RebuildTest, DeltasKeepTheirBases) {
  CommitMany(9);
  Run();
  std::size_t deltas = 0;
  for (const CommittedSnapshot& snapshot : snapshots_) {
    const Bytes file = Load(snapshot.pack_path);
    for (const PackEntry& entry : snapshot.pack) {
      const auto header = ParseObjectHeader(ByteView(file).substr(entry.offset_bytes)).value();
      const auto found = catalog_->FindChunks(store_.secrets().domain, {entry.id}).value();
      EXPECT_TRUE(found[0].live);
      EXPECT_EQ(found[0].bases, header.bases);
      deltas += header.bases.empty() ? 0 : 1;
    }
  }
  EXPECT_GT(deltas, 1u);
}

TEST_F(RebuildTest, TheNextCommitFollows) {
  CommitMany(5);
  Run();
  CommitNext();
  // The pack is new, so that the catalog is told of it as ingest does.
  const std::int64_t row = catalog_->AddOpenPack(store_.secrets().domain, 1).value();
  catalog::DeltaBases bases;
  const Bytes file = Load(snapshots_[5].pack_path);
  for (const PackEntry& entry : snapshots_[5].pack) {
    const auto header = ParseObjectHeader(ByteView(file).substr(entry.offset_bytes)).value();
    if (!header.bases.empty()) bases[entry.id] = header.bases;
  }
  ASSERT_TRUE(catalog_->AddChunks(row, snapshots_[5].pack, bases).ok());
  const auto list = DecodeReferenceList(Load(RefsPath(6))).value();
  catalog::SnapshotCommit commit;
  commit.source = snapshots_[5].source;
  commit.run_id = Bytes(16, 'r');
  commit.seq = 6;
  commit.full = false;
  commit.added = list.added;
  commit.removed = list.removed;
  const auto result = catalog_->CommitSnapshot(commit, 1);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->missing.empty());
  ExpectSet(snapshots_[5]);
}

TEST_F(RebuildTest, CommitFactsComeBack) {
  CommitMany(2);
  const CommitFacts facts{RecordHash(snapshots_[1].record), Bytes(16, 'r'), 77, 1, 2, 3, 4};
  std::ofstream(store_.Path(layout::CommitFactsPath(snapshots_[1].source, 2)))
      << EncodeCommitFacts(facts);
  const RebuildReport report = Run();
  const auto row = catalog_->GetSnapshot(snapshots_[1].source, 2).value();
  EXPECT_EQ(row.committed_at_ms, 77u);
  EXPECT_EQ(row.content_bytes, 1u);
  EXPECT_EQ(row.entry_count, 2u);
  EXPECT_EQ(row.stored_bytes, 3u);
  EXPECT_EQ(row.duration_ms, 4u);
  EXPECT_TRUE(catalog_->FindRun(snapshots_[1].source, Bytes(16, 'r'))->has_value());
  EXPECT_EQ(report.notes.size(), 1u) << "the first snapshot has none";
  EXPECT_EQ(catalog_->collection().GetPolicy(snapshots_[1].source).value(),
            catalog::kKeepEverything);
}

TEST_F(RebuildTest, TheOldCatalogIsMovedAsideWithItsLog) {
  CommitMany(1);
  stdfs::create_directories(store_.data_directory() + "/catalog");
  std::ofstream(CatalogPath()) << "malformed";
  std::ofstream(CatalogPath() + "-wal") << "its log";
  std::ofstream(store_.data_directory() + "/catalog/rebuilding.db") << "of a rebuild cut short";
  const RebuildReport report = Run();
  EXPECT_EQ(Load(report.moved_aside), "malformed");
  EXPECT_EQ(Load(report.moved_aside + "-wal"), "its log");
  EXPECT_FALSE(stdfs::exists(store_.data_directory() + "/catalog/rebuilding.db"));
  ExpectSet(snapshots_[0]);
  EXPECT_TRUE(stdfs::exists(Run().moved_aside)) << "a second time";
  ExpectSet(snapshots_[0]);
}

TEST_F(RebuildTest, OpenPacksAreReadToo) {
  CommitMany(1);
  test::CommitOptions options;
  options.open_pack = true;
  snapshots_.push_back(
      store_.Commit("uploads", {test::FileNamed("b", "in an open pack")}, options));
  EXPECT_EQ(TextOf(Run()), "");
  ExpectReadable(snapshots_[1]);
}

TEST_F(RebuildTest, ChunksThatNoSnapshotNeedsAreLeftOut) {
  CommitMany(2);
  const CommittedSnapshot last = CommitNext();
  stdfs::remove(RecordPath(3));
  stdfs::remove(RefsPath(3));
  const RebuildReport report = Run();
  EXPECT_EQ(report.snapshots, 2u);
  EXPECT_EQ(report.chunks.unreferenced, last.pack.size());
  for (const PackEntry& entry : last.pack) {
    EXPECT_FALSE(catalog_->FindChunks(store_.secrets().domain, {entry.id}).value()[0].live);
  }
  ExpectSet(snapshots_[1]);
}

TEST_F(RebuildTest, ARemovedAgentStaysRemoved) {
  CommitMany(1);
  std::ofstream(
      store_.Path(layout::RemovedMarkPath(store_.secrets().domain, store_.identity().agent_id)));
  EXPECT_EQ(Run().agents, 0u);
  EXPECT_TRUE(absl::IsNotFound(catalog_->FindAgent("web-1").status()));
  ExpectSet(snapshots_[0]);
}

TEST_F(RebuildTest, AMissingPackCostsItsChunksOnly) {
  CommitMany(4);
  stdfs::remove(snapshots_[2].pack_path);
  const RebuildReport report = Run();
  EXPECT_GE(report.chunks.lost_chunks, snapshots_[2].pack.size() - 1);
  for (const CommittedSnapshot& snapshot : snapshots_) ExpectSet(snapshot);
  ExpectReadable(snapshots_[1]);
  EXPECT_LT(LiveCount(snapshots_[2]), SetOf(snapshots_[2]).size());
  EXPECT_GT(LiveCount(snapshots_[2]), 10u);
}

TEST_F(RebuildTest, ADamagedIndexIsRepairedFromTheObjects) {
  CommitMany(2);
  const Bytes whole = Load(snapshots_[0].pack_path);
  Flip(snapshots_[0].pack_path, whole.size() - 40);
  const RebuildReport report = Run();
  EXPECT_EQ(TextOf(report), "");
  EXPECT_THAT(report.notes, testing::Contains(HasSubstr("is repaired")));
  EXPECT_TRUE(Load(snapshots_[0].pack_path) == whole);
  EXPECT_EQ(report.chunks.lost_chunks, 0u);
  for (const CommittedSnapshot& snapshot : snapshots_) ExpectSet(snapshot);
}

TEST_F(RebuildTest, ADamagedIndexBeyondRepairIsReadObjectByObject) {
  CommitMany(2);
  Flip(snapshots_[0].pack_path, stdfs::file_size(snapshots_[0].pack_path) - 40);
  Flip(snapshots_[0].pack_path, snapshots_[0].pack[1].offset_bytes + 140);  // sealed bytes
  const RebuildReport report = Run();
  EXPECT_THAT(TextOf(report), HasSubstr(stdfs::path(snapshots_[0].pack_path).filename().string()));
  EXPECT_EQ(report.chunks.lost_chunks, 0u);
  for (const CommittedSnapshot& snapshot : snapshots_) ExpectSet(snapshot);
}

TEST_F(RebuildTest, AFlippedHeaderIsNamedAndItsChunkIsLost) {
  CommitMany(2);
  Flip(snapshots_[0].pack_path, snapshots_[0].pack[1].offset_bytes + 45);  // its id
  const RebuildReport report = Run();
  EXPECT_THAT(TextOf(report), HasSubstr("is damaged"));
  EXPECT_GE(report.chunks.lost_chunks, 1u);
  ExpectSet(snapshots_[1]);
}

TEST_F(RebuildTest, EveryFlipInARecordLeavesItOut) {
  CommitMany(3);
  const std::size_t size = stdfs::file_size(RecordPath(2));
  for (std::size_t at = 0; at < size; at += 13) {
    SCOPED_TRACE(at);
    Flip(RecordPath(2), at);
    const RebuildReport report = Run();
    Flip(RecordPath(2), at);
    EXPECT_THAT(TextOf(report), HasSubstr(".record"));
    EXPECT_EQ(report.snapshots, 2u);
    EXPECT_TRUE(absl::IsNotFound(catalog_->GetSnapshot(snapshots_[1].source, 2).status()));
    ExpectSet(snapshots_[0]);
    ExpectSet(snapshots_[2]);  // its list is read although its record is not
  }
}

TEST_F(RebuildTest, EveryFlipInAListIsSeenAndNothingIsLetGo) {
  CommitMany(18);
  const std::size_t size = stdfs::file_size(RefsPath(5));
  std::set<ChunkId> all;
  for (const CommittedSnapshot& snapshot : snapshots_) {
    const std::set<ChunkId> set = SetOf(snapshot);
    all.insert(set.begin(), set.end());
  }
  for (std::size_t at = 0; at < size; at += 11) {
    SCOPED_TRACE(at);
    Flip(RefsPath(5), at);
    const RebuildReport report = Run();
    const auto held = catalog_->References(snapshots_[0].source, 9).value();
    Flip(RefsPath(5), at);
    EXPECT_THAT(TextOf(report), HasSubstr(".refs"));
    EXPECT_EQ(report.snapshots, 18u);
    EXPECT_EQ(held.size(), all.size()) << "not known: every chunk of the domain is held";
    ExpectSet(snapshots_[3]);
    ExpectSet(snapshots_[16]);  // the next full list
    ExpectSet(snapshots_[17]);
  }
}

TEST_F(RebuildTest, AFlipInAListWithoutRecordIsSeen) {
  CommitMany(6);
  stdfs::remove(RecordPath(3));
  EXPECT_EQ(TextOf(Run()), "") << "a purged snapshot whose list others need";
  ExpectSet(snapshots_[5]);
  for (const std::size_t at : {10u, 45u, 60u}) {
    Flip(RefsPath(3), at);
    EXPECT_THAT(TextOf(Run()), HasSubstr(".refs"));
    Flip(RefsPath(3), at);
  }
}

TEST_F(RebuildTest, DamagedTrustDocumentsAreNamed) {
  CommitMany(2);
  const Bytes before = Load(store_.Path(layout::RecipientsPath(1)));
  std::ofstream(store_.Path(layout::RecipientsPath(2))) << "no list";
  EXPECT_THAT(TextOf(Run()), HasSubstr("recipients."));
  EXPECT_EQ(catalog_->GetInstallation()->recipients, before);

  const std::string identity =
      store_.Path(layout::IdentityPath(store_.secrets().domain, store_.identity().agent_id));
  Flip(identity, 60);
  EXPECT_THAT(TextOf(Run()), HasSubstr(".identity"));
  ExpectSet(snapshots_[1]);  // by the id in the file's name
  EXPECT_EQ(catalog_->GetAgent(store_.identity().agent_id)->domain, store_.secrets().domain);
  Flip(identity, 60);

  for (const auto& file : stdfs::recursive_directory_iterator(store_.Path(layout::kEnvelopes))) {
    if (file.is_regular_file()) Flip(file.path(), 12);
  }
  EXPECT_THAT(TextOf(Run()), HasSubstr(".envelope"));
}

TEST_F(RebuildTest, ManySmallObjects) {
  SeededContent();
  test::CommitOptions options;
  options.chunk_bytes = 100;
  snapshots_.push_back(store_.Commit("uploads", {test::FileNamed("a", content_)}, options));
  const RebuildReport report = Run();
  EXPECT_GT(report.objects, 20'000u);
  EXPECT_EQ(report.chunks.chunks, report.objects);
  EXPECT_LT(report.seconds, absl::Seconds(20));
  RecordProperty("objects", static_cast<int>(report.objects));
  RecordProperty("milliseconds", static_cast<int>(absl::ToInt64Milliseconds(report.seconds)));
  ExpectSet(snapshots_.back());
}

TEST_F(RebuildTest, WithoutAnOwnerNothingIsMade) {
  CommitMany(1);
  std::ofstream(store_.Path(layout::kOwner)) << "short";
  auto report = RebuildCatalog(RealEnv(), {store_.data_directory(), {}, {}});
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kIntegrity);
  stdfs::remove(store_.Path(layout::kOwner));
  report = RebuildCatalog(RealEnv(), {store_.data_directory(), {}, {}});
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kRefused);
  EXPECT_FALSE(stdfs::exists(CatalogPath()));
}

}  // namespace
}  // namespace holdfast::rebuild
