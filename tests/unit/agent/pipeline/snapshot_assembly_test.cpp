// Goal: what lanes and threads add comes out once each, in path order, with every chunk named; a
// content that failed is never left out silently.
#include "agent/pipeline/snapshot_assembly.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::pipeline {
namespace {

class SnapshotAssemblyTest : public testing::Test {
 protected:
  SnapshotAssembly Assembly() {
    return SnapshotAssembly(
        {&chunker_, &id_key_, ObjectType::kContent, nullptr},
        [this] {
          return [this](ObjectType, const ChunkId& id, ByteView) {
            std::lock_guard lock(mutex_);
            offered_.insert(id);
            return offer_status_;
          };
        },
        previous_, progress_);
  }
  static Entry Named(const std::string& path) {
    Entry entry;
    entry.path = path;
    return entry;
  }
  static std::vector<std::string> PathsOf(const SnapshotAssembly& assembly) {
    std::vector<std::string> paths;
    for (const auto& entry : assembly.entries()) paths.push_back(entry.path);
    return paths;
  }

  test::SeededRng rng_{11};
  const chunker::Chunker chunker_{SecretBytes(Bytes(32, 'c')), {64, 256, 1024}};
  const HmacKey id_key_{Bytes(32, 'i')};
  PreviousSnapshot previous_;
  Progress progress_;
  std::mutex mutex_;
  std::set<ChunkId> offered_;
  absl::Status offer_status_;
};

TEST_F(SnapshotAssemblyTest, EntriesComeOutInPathOrder) {
  SnapshotAssembly assembly = Assembly();
  for (const char* path : {"b", "a!", "a/x", "a", ""}) {
    ASSERT_TRUE(assembly.Add(Named(path)).ok());
  }
  ASSERT_TRUE(assembly.Finish().ok());
  EXPECT_EQ(PathsOf(assembly), (std::vector<std::string>{"", "a", "a/x", "a!", "b"}));
}

TEST_F(SnapshotAssemblyTest, LanesOfSeveralThreadsLoseNothing) {
  SnapshotAssembly assembly = Assembly();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        const auto lane = assembly.OpenLane();
        for (int i = 0; i < 50; ++i) {
          EXPECT_TRUE(lane->Begin().ok());
          EXPECT_TRUE(lane->Write(rng_.Draw(100)).ok());
          EXPECT_TRUE(lane->End(Named(std::to_string(t) + "/" + std::to_string(i))).ok());
        }
      });
    }
  }
  ASSERT_TRUE(assembly.Finish().ok());
  EXPECT_EQ(assembly.entries().size(), 200u);
  EXPECT_EQ(assembly.content_bytes(), 20000u);
  const std::set<ChunkId> named(assembly.chunks().begin(), assembly.chunks().end());
  EXPECT_EQ(named, offered_);
  EXPECT_EQ(progress_.items_done, 200u);
}

TEST_F(SnapshotAssemblyTest, APathGivenTwiceIsTheSourcesError) {
  SnapshotAssembly assembly = Assembly();
  ASSERT_TRUE(assembly.Add(Named("a")).ok());
  ASSERT_TRUE(assembly.Add(Named("b")).ok());
  ASSERT_TRUE(assembly.Add(Named("a")).ok());
  const absl::Status status = assembly.Finish();
  EXPECT_EQ(KindOf(status), ErrorKind::kSource) << status;
  EXPECT_EQ(CodeOf(status), 2013);
}

TEST_F(SnapshotAssemblyTest, PathsThatLeaveTheTreeAreRefused) {
  SnapshotAssembly assembly = Assembly();
  for (const char* path : {"../a", "/a", "a//b", "a/./b", "a/"}) {
    EXPECT_FALSE(assembly.Add(Named(path)).ok()) << path;
  }
  ASSERT_TRUE(assembly.Finish().ok());
  EXPECT_TRUE(assembly.entries().empty());
}

TEST_F(SnapshotAssemblyTest, AContentLeftOpenFailsTheSnapshot) {
  SnapshotAssembly assembly = Assembly();
  {
    const auto lane = assembly.OpenLane();
    ASSERT_TRUE(lane->Begin().ok());
    ASSERT_TRUE(lane->Write("half").ok());
  }
  EXPECT_EQ(CodeOf(assembly.Finish()), 2012);
}

TEST_F(SnapshotAssemblyTest, AChunkRefusedAtTheEndOfALaneFailsTheSnapshot) {
  SnapshotAssembly assembly = Assembly();
  {
    const auto lane = assembly.OpenLane();
    ASSERT_TRUE(lane->Begin().ok());
    ASSERT_TRUE(lane->Write("small").ok());
    ASSERT_TRUE(lane->End(Named("a")).ok()) << "nothing is cut yet";
    offer_status_ = Error(ErrorKind::kUnreachable, 6001, "gone");
  }
  EXPECT_EQ(KindOf(assembly.Finish()), ErrorKind::kUnreachable);
}

TEST_F(SnapshotAssemblyTest, ReuseKeepsContentAndTakesNewMetadata) {
  Entry before = Named("a");
  before.mode = 0600;
  before.slices = {{rng_.DrawFixed<ChunkId>(), 3, 4}};
  before.content_bytes = before.size_bytes = 4;
  before.content_hash = rng_.Draw(16);
  previous_.Add("a", EncodeEntry(before));

  SnapshotAssembly assembly = Assembly();
  EXPECT_FALSE(assembly.Previous("b").has_value());
  const auto found = assembly.Previous("a");
  ASSERT_TRUE(found.has_value());
  Entry now = Named("a");
  now.mode = 0644;
  now.size_bytes = 4;
  ASSERT_TRUE(assembly.Reuse(now, *found).ok());
  ASSERT_TRUE(assembly.Finish().ok());
  const Entry stored = DecodeEntry(assembly.entries().at(0).bytes).value();
  EXPECT_EQ(stored.mode, 0644u);
  EXPECT_EQ(stored.slices, before.slices);
  EXPECT_EQ(stored.content_hash, before.content_hash);
  EXPECT_EQ(assembly.chunks(), std::vector<ChunkId>{before.slices[0].chunk});
  EXPECT_EQ(assembly.content_bytes(), 4u);
}

TEST_F(SnapshotAssemblyTest, ProblemsAreCountedBeyondWhatIsKept) {
  SnapshotAssembly assembly = Assembly();
  for (int i = 0; i < 1500; ++i) assembly.Skip("p" + std::to_string(i), "vanished");
  ASSERT_TRUE(assembly.Finish().ok());
  EXPECT_EQ(assembly.problems().size(), 1000u);
  EXPECT_EQ(assembly.problem_count(), 1500u);
}

}  // namespace
}  // namespace holdfast::pipeline
