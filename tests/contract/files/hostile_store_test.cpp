// Goal: a restore over a store, a controller or an agent that lies ends with an integrity error;
// what has its final name is right, and no temporary file stays (fault rows 53, 57, 61, 65).
// Method: a sealed snapshot, restored through a fetcher that hands out something else.
#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>
#include <functional>

#include "common/base/error.h"
#include "common/snapshot/store_reader.h"
#include "tests/support/files_support.h"
#include "tests/support/nasty_tree.h"
#include "tests/support/sealed_snapshot.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

class LyingFetcher final : public ChunkFetcher {
 public:
  using Lie = std::function<void(const std::vector<ChunkId>& ids, std::vector<Bytes>* objects)>;
  LyingFetcher(std::shared_ptr<ChunkFetcher> honest, Lie lie)
      : honest_(std::move(honest)), lie_(std::move(lie)) {}

  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override {
    ASSIGN_OR_RETURN(std::vector<Bytes> objects, honest_->Fetch(domain, ids));
    lie_(ids, &objects);
    return objects;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override {
    return honest_->FetchEnvelope(domain, key_id);
  }

 private:
  const std::shared_ptr<ChunkFetcher> honest_;
  const Lie lie_;
};

class HostileStoreTest : public testing::Test {
 protected:
  using Contents = std::map<std::string, Bytes>;

  CommittedSnapshot Commit(const Contents& contents) {
    std::vector<SealedFile> files = {DirectoryNamed("")};
    for (const auto& [path, content] : contents) files.push_back(FileNamed(path, content));
    return store_.Commit("uploads", std::move(files));
  }
  absl::StatusOr<restore::RestoreReport> RestoreThrough(const CommittedSnapshot& snapshot,
                                                        const LyingFetcher::Lie& lie,
                                                        bool skip_bad = false) {
    auto reader = StoreReader::Open(RealFileSystem(), store_.data_directory()).value();
    const SnapshotDocuments documents = reader->Documents(snapshot.source, snapshot.seq).value();
    const auto opened =
        OpenSnapshot(documents, {snapshot.source, snapshot.seq}, store_.owner().public_key,
                     store_.recovery_key(), std::make_shared<LyingFetcher>(std::move(reader), lie));
    if (!opened.ok()) return opened.status();
    restore::FilesRestoreOptions options;
    options.target = target_;
    options.skip_bad = skip_bad;
    return Restore(*opened->view, options);
  }
  // All that is in the target is a file of the snapshot with its right content.
  Contents Restored() {
    Contents found;
    if (!std::filesystem::exists(target_)) return found;
    for (const auto& item : std::filesystem::recursive_directory_iterator(target_)) {
      if (item.is_directory()) continue;
      const std::string path = item.path().string().substr(target_.size() + 1);
      found[path] = ReadFileAt(item.path());
    }
    return found;
  }
  // `lie` hits "middle" of three files: the restore ends with 5, and with skip_bad brings the rest.
  void ExpectRefused(const LyingFetcher::Lie& lie) {
    const absl::Status status = RestoreThrough(snapshot_, lie).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << Render(status);
    for (const auto& [path, content] : Restored()) {
      EXPECT_EQ(contents_.count(path), 1u) << "left behind: " << path;
      EXPECT_NE(path, "middle");
      EXPECT_EQ(content, contents_[path]) << path;
    }
    RemoveTree(target_);

    const auto rest = RestoreThrough(snapshot_, lie, true);
    ASSERT_TRUE(rest.ok()) << Render(rest.status());
    EXPECT_EQ(ExitCodeOf(StatusOf(*rest)), 3);
    ASSERT_EQ(rest->skipped.size(), 1u);
    EXPECT_EQ(rest->skipped[0].path, "middle");
    Contents others = contents_;
    others.erase("middle");
    EXPECT_EQ(Restored(), others);
    RemoveTree(target_);
  }
  // Puts `object` in the place of a chunk of "middle".
  LyingFetcher::Lie Instead(const Bytes& object) const {
    return [this, object](const std::vector<ChunkId>& ids, std::vector<Bytes>* objects) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] == victim_) (*objects)[i] = object;
      }
    };
  }
  static Bytes Bomb(std::size_t bytes) {
    const Bytes zeros(bytes, '\0');
    Bytes bomb(ZSTD_compressBound(bytes), '\0');
    bomb.resize(ZSTD_compress(bomb.data(), bomb.size(), zeros.data(), zeros.size(), 19));
    return bomb;
  }

  TempDir directory_;
  const std::string target_ = directory_ / "target";
  SealedStore store_{directory_ / "data", 7};
  // Chunks have 1,000 bytes: each of these files has chunks of its own.
  Contents contents_ = {{"before", store_.rng().Draw(3000)},
                        {"middle", store_.rng().Draw(20'000)},
                        {"rest", store_.rng().Draw(3000)}};
  const CommittedSnapshot snapshot_ = Commit(contents_);
  const ChunkId victim_ = snapshot_.content[3 + 12];  // of "middle": some of it is written before
};

TEST_F(HostileStoreTest, Row53BombsEndAtThePromisedLength) {
  const Bytes bomb = Bomb(256u << 20);
  ASSERT_LT(bomb.size(), 40'000u);
  for (const std::uint32_t promised : {1'000u, kMaxPlainBytes}) {
    ExpectRefused(Instead(store_.ForgeAlone(victim_, promised, bomb)));
  }
}

TEST_F(HostileStoreTest, Row61AnotherChunkForAnIdIsRefused) {
  auto reader = StoreReader::Open(RealFileSystem(), store_.data_directory()).value();
  const auto sound =
      reader->Fetch(store_.secrets().domain, {snapshot_.content[0], snapshot_.content[3 + 13]})
          .value();
  for (const Bytes& object : sound) ExpectRefused(Instead(object));
  // Sealed by somebody who has the keys of a run, under the id that was asked for.
  ExpectRefused(Instead(store_.SealAlone(victim_, ObjectType::kContent, store_.rng().Draw(1000))));
  ExpectRefused(Instead(store_.SealAlone(victim_, ObjectType::kManifest, store_.rng().Draw(1000))));
}

TEST_F(HostileStoreTest, Row65AnswersOfAnotherNumberOrLengthAreRefused) {
  const auto asks_for_victim = [this](const std::vector<ChunkId>& ids) {
    return std::find(ids.begin(), ids.end(), victim_) != ids.end();
  };
  ExpectRefused(Instead(""));
  ExpectRefused(Instead(Bytes(kMaxObjectBytes + 1, 'x')));
  ExpectRefused([&](const auto& ids, std::vector<Bytes>* objects) {
    if (asks_for_victim(ids)) objects->pop_back();
  });
  ExpectRefused([&](const auto& ids, std::vector<Bytes>* objects) {
    if (asks_for_victim(ids)) objects->resize(1000, Bytes(100, 'x'));
  });
}

// What an agent that was taken over can sign: sizes that no file has, or none on this file system.
TEST_F(HostileStoreTest, Row65LengthsNearTheEndOfTheNumbersMakeNoFile) {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  for (const std::uint64_t size : {kLimit, ~std::uint64_t{0}, kLimit - 1}) {
    SealedFile huge = FileNamed("huge", "");
    huge.entry.extents.emplace();
    huge.claimed_size = size;
    const CommittedSnapshot forged =
        store_.Commit("forged", {DirectoryNamed(""), huge, FileNamed("small", "content")});
    for (const bool skip_bad : {false, true}) {
      RemoveTree(target_);
      const auto report = RestoreThrough(
          forged, [](const auto&, auto*) {}, skip_bad);
      if (size >= kLimit && !skip_bad) {
        EXPECT_EQ(ExitCodeOf(report.status()), 5) << size;
        EXPECT_EQ(Restored().count("huge"), 0u);
        continue;
      }
      ASSERT_TRUE(report.ok()) << Render(report.status());
      EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3) << size;
      ASSERT_EQ(report->skipped.size(), 1u);
      EXPECT_EQ(report->skipped[0].path, "huge");
      EXPECT_EQ(Restored(), (Contents{{"small", "content"}}));
    }
  }
}

// Slices that lead outside their chunk, or are more than the file's size.
TEST_F(HostileStoreTest, Row65SlicesOutsideTheirChunkAreRefused) {
  for (const auto& [offset, length] :
       {std::pair<std::uint32_t, std::uint32_t>{0, 0xffffffffu}, {0xffffffffu, 1}, {999, 2}}) {
    RemoveTree(target_);
    SealedFile file = FileNamed("file", "");
    file.entry.slices = {{snapshot_.content[0], offset, length}};
    file.claimed_size = length;
    const CommittedSnapshot forged = store_.Commit("forged", {DirectoryNamed(""), file});
    const absl::Status status = RestoreThrough(forged, [](const auto&, auto*) {}).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << Render(status);
    EXPECT_EQ(Restored(), Contents());
  }
}

// The same rule as for a forged view, through the real manifest.
TEST_F(HostileStoreTest, Row57BadPathsOfARealManifestAreLeftOutOnDemandOnly) {
  for (const std::string& bad :
       {std::string("../evil"), std::string("/evil"), std::string("good/../../evil"),
        std::string("good//x"), std::string("nul\0x", 5), std::string(300, 'x'),
        std::string(70'000, 'y')}) {
    RemoveTree(target_);
    const CommittedSnapshot forged = store_.Commit(
        "forged", {DirectoryNamed(""), FileNamed(bad, "evil"), FileNamed("fine", "content")});
    const absl::Status status = RestoreThrough(forged, [](const auto&, auto*) {}).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << Escaped(bad, 40) << Render(status);
    EXPECT_NE(HintOf(status).find("--skip-bad"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(target_)) << "nothing is written before";

    const auto report = RestoreThrough(
        forged, [](const auto&, auto*) {}, true);
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_EQ(ExitCodeOf(StatusOf(*report)), 3);
    ASSERT_EQ(report->skipped.size(), 1u);
    EXPECT_EQ(report->skipped[0].path, bad);
    EXPECT_EQ(Restored(), (Contents{{"fine", "content"}}));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "evil"));
  }
}

}  // namespace
}  // namespace holdfast::test
