// Goal: the agent remembers its last snapshot exactly, and a damaged memory is no memory.
#include "agent/pipeline/previous_snapshot.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"

namespace holdfast::pipeline {
namespace {

class PreviousSnapshotTest : public testing::Test {
 protected:
  PreviousSnapshotTest() {
    for (int i = 0; i < 5; ++i) references_.push_back(rng_.DrawFixed<ChunkId>());
    std::sort(references_.begin(), references_.end());
    for (const std::string& path : paths_) {
      Entry entry;
      entry.path = path;
      entry.inode = inode_of_[path] = inode_of_.size() + 100;
      entries_.push_back({path, EncodeEntry(entry)});
    }
  }
  void Save() { ASSERT_TRUE(SaveSnapshotState(fs_, file_, head_, references_, entries_).ok()); }
  void Overwrite(ByteView bytes) { ASSERT_TRUE(fs_.WriteAtomically(file_, bytes).ok()); }

  FileSystem& fs_ = RealFileSystem();
  test::SeededRng rng_{3};
  test::TempDir directory_;
  const std::string file_ = directory_ / "source.last";
  const std::vector<std::string> paths_ = {"", "a", "a/b", "a/c", "a/d", "a/e", "a!", "b", "c"};
  std::map<std::string, std::uint64_t> inode_of_;
  Head head_{12, rng_.DrawFixed<Hash256>()};
  std::vector<ChunkId> references_;
  std::vector<EncodedEntry> entries_;
};

TEST_F(PreviousSnapshotTest, ComesBackAsSaved) {
  Save();
  PreviousSnapshot loaded;
  ASSERT_TRUE(loaded.Load(fs_, file_));
  EXPECT_EQ(loaded.head.seq, 12u);
  EXPECT_EQ(loaded.head.record_hash, head_.record_hash);
  EXPECT_EQ(loaded.references, references_);
  EXPECT_EQ(loaded.entry_count(), paths_.size());
  for (const std::string& path : paths_) {
    const auto entry = loaded.Find(path);
    ASSERT_TRUE(entry.has_value()) << path;
    EXPECT_EQ(entry->path, path);
    EXPECT_EQ(entry->inode, inode_of_[path]);
  }
  std::size_t visited = 0;
  ASSERT_TRUE(loaded
                  .ForEachEncoded([&](ByteView encoded) {
                    EXPECT_EQ(DecodeEntry(encoded)->path, paths_[visited++]);
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_EQ(visited, paths_.size());
}

TEST_F(PreviousSnapshotTest, FindsInAnyOrder) {
  Save();
  PreviousSnapshot loaded;
  ASSERT_TRUE(loaded.Load(fs_, file_));
  for (int round = 0; round < 3; ++round) {
    for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) {
      ASSERT_TRUE(loaded.Find(*path).has_value()) << *path;
    }
    for (std::size_t i = 0; i < paths_.size(); i += 4) {
      EXPECT_EQ(loaded.Find(paths_[i])->path, paths_[i]);
    }
    for (const char* absent : {"a/bb", "0", "zzz", "a/", "a/b/c"}) {
      EXPECT_FALSE(loaded.Find(absent).has_value()) << absent;
      EXPECT_EQ(loaded.Find("a/c")->path, "a/c");
    }
  }
}

TEST_F(PreviousSnapshotTest, FindsWhatWasAdded) {
  PreviousSnapshot added;
  for (const EncodedEntry& entry : entries_) added.Add(entry.path, entry.bytes);
  EXPECT_EQ(added.entry_count(), paths_.size());
  for (const std::string& path : paths_) {
    ASSERT_TRUE(added.Find(path).has_value()) << path;
    EXPECT_EQ(added.Find(path)->inode, inode_of_[path]);
  }
}

TEST_F(PreviousSnapshotTest, ADamagedFileIsNoFile) {
  Save();
  const Bytes good = fs_.ReadFile(file_).value();
  for (std::size_t at = 0; at < good.size(); at += 7) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    Overwrite(bad);
    PreviousSnapshot loaded;
    ASSERT_FALSE(loaded.Load(fs_, file_)) << "a flip at " << at << " went unseen";
    EXPECT_EQ(loaded.entry_count(), 0u);
    EXPECT_EQ(loaded.head.seq, 0u);
    EXPECT_TRUE(loaded.references.empty());
  }
  for (std::size_t size = 0; size < good.size(); size += 13) {
    Overwrite(ByteView(good).substr(0, size));
    EXPECT_FALSE(PreviousSnapshot().Load(fs_, file_)) << "cut to " << size;
  }
  Overwrite(good + "x");
  EXPECT_FALSE(PreviousSnapshot().Load(fs_, file_));
}

// Its sum holds, and yet nobody wrote it so: a difference to such a set, or a search in such a
// list, would be wrong.
TEST_F(PreviousSnapshotTest, AFileThatIsNotInOrderIsNoFile) {
  const auto is_refused = [&] {
    Save();
    PreviousSnapshot loaded;
    const bool refused = !loaded.Load(fs_, file_);
    return refused && loaded.head.seq == 0 && loaded.references.empty() &&
           loaded.entry_count() == 0;
  };
  std::swap(references_[1], references_[3]);
  EXPECT_TRUE(is_refused());
  references_ = {references_[0], references_[0]};
  EXPECT_TRUE(is_refused()) << "a chunk twice";
  references_.clear();
  PreviousSnapshot in_order;
  Save();
  EXPECT_TRUE(in_order.Load(fs_, file_));
  entries_.push_back({"b", EncodeEntry(Entry())});
  EXPECT_TRUE(is_refused()) << "a path twice";
}

TEST_F(PreviousSnapshotTest, AnEntryOfAnotherPathIsNotReused) {
  Entry other;
  other.path = "other";
  entries_.push_back({"d", EncodeEntry(other)});
  Save();
  PreviousSnapshot loaded;
  ASSERT_TRUE(loaded.Load(fs_, file_));
  EXPECT_FALSE(loaded.Find("d").has_value());
  EXPECT_TRUE(loaded.Find("c").has_value());
}

TEST_F(PreviousSnapshotTest, NoFileIsNoMemory) {
  EXPECT_FALSE(PreviousSnapshot().Load(fs_, file_));
  Overwrite("short");
  EXPECT_FALSE(PreviousSnapshot().Load(fs_, file_));
}

TEST_F(PreviousSnapshotTest, SavingReplacesWhatWasThere) {
  Save();
  ASSERT_TRUE(SaveSnapshotState(fs_, file_, {13, rng_.DrawFixed<Hash256>()}, {}, {}).ok());
  PreviousSnapshot loaded;
  ASSERT_TRUE(loaded.Load(fs_, file_));
  EXPECT_EQ(loaded.head.seq, 13u);
  EXPECT_EQ(loaded.entry_count(), 0u);
  loaded.Clear();
  EXPECT_EQ(loaded.head.seq, 0u);
}

}  // namespace
}  // namespace holdfast::pipeline
