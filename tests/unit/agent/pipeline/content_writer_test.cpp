// Goal: whatever is written, begun, given up and cut, the slices of every entry cover its content
// exactly, and nothing else is promised.
#include "agent/pipeline/content_writer.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::pipeline {
namespace {

constexpr chunker::ChunkSizes kSmall{64, 256, 1024};

class ContentWriterTest : public testing::Test {
 protected:
  ContentWriter Writer() {
    return ContentWriter(
        {&chunker_, &id_key_, ObjectType::kContent,
         [this](std::uint64_t bytes) { counted_bytes_ += bytes; }},
        [this](ObjectType type, const ChunkId& id, ByteView plaintext) {
          EXPECT_EQ(type, ObjectType::kContent);
          EXPECT_EQ(id, ComputeChunkId(id_key_, type, plaintext));
          EXPECT_LE(plaintext.size(), kSmall.max_bytes);
          chunks_[id] = Bytes(plaintext);
          ++offers_;
          return offer_status_;
        },
        [this](Entry entry) {
          entries_.push_back(std::move(entry));
          return absl::OkStatus();
        });
  }
  static Entry Named(const std::string& path) {
    Entry entry;
    entry.path = path;
    return entry;
  }
  static void Put(ContentWriter& writer, const std::string& path, ByteView content) {
    ASSERT_TRUE(writer.Begin().ok());
    ASSERT_TRUE(writer.Write(content).ok());
    ASSERT_TRUE(writer.End(Named(path)).ok());
  }
  // The content that an entry's slices name; fails the test where a slice leaves its chunk.
  Bytes ContentOf(const Entry& entry) const {
    Bytes content;
    for (const Slice& slice : entry.slices) {
      const auto chunk = chunks_.find(slice.chunk);
      if (chunk == chunks_.end()) {
        ADD_FAILURE() << entry.path << " names a chunk that was never offered";
        continue;
      }
      EXPECT_GT(slice.length_bytes, 0u);
      EXPECT_LE(slice.offset_bytes + slice.length_bytes, chunk->second.size());
      content += ByteView(chunk->second).substr(slice.offset_bytes, slice.length_bytes);
    }
    return content;
  }
  const Entry& Last() const { return entries_.back(); }

  test::SeededRng rng_{7};
  const chunker::Chunker chunker_{SecretBytes(Bytes(32, 'c')), kSmall};
  const HmacKey id_key_{Bytes(32, 'i')};
  std::map<ChunkId, Bytes> chunks_;
  std::vector<Entry> entries_;
  std::uint64_t counted_bytes_ = 0;
  int offers_ = 0;
  absl::Status offer_status_;
};

TEST_F(ContentWriterTest, SlicesCoverEveryContent) {
  std::map<std::string, Bytes> contents;
  ContentWriter writer = Writer();
  std::uint64_t total = 0;
  for (const std::size_t size :
       {0, 1, 5, 63, 64, 65, 0, 0, 300, 1023, 1024, 1025, 2048, 9, 50000}) {
    const std::string path = "f" + std::to_string(contents.size());
    contents[path] = rng_.Draw(size);
    total += size;
    Put(writer, path, contents[path]);
  }
  ASSERT_TRUE(writer.Finish().ok());
  ASSERT_EQ(entries_.size(), contents.size());
  for (const Entry& entry : entries_) {
    SCOPED_TRACE(entry.path);
    EXPECT_TRUE(ContentOf(entry) == contents[entry.path]);
    EXPECT_EQ(entry.content_bytes, contents[entry.path].size());
    EXPECT_EQ(entry.size_bytes, entry.content_bytes);
    EXPECT_EQ(entry.content_hash.size(), 16u);
  }
  EXPECT_EQ(counted_bytes_, total);
}

TEST_F(ContentWriterTest, SmallFilesShareAChunk) {
  ContentWriter writer = Writer();
  for (int i = 0; i < 6; ++i) Put(writer, std::to_string(i), rng_.Draw(10));
  EXPECT_TRUE(entries_.empty()) << "handed on before the slices are known";
  ASSERT_TRUE(writer.Finish().ok());
  ASSERT_EQ(entries_.size(), 6u);
  EXPECT_EQ(chunks_.size(), 1u);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    ASSERT_EQ(entries_[i].slices.size(), 1u);
    EXPECT_EQ(entries_[i].slices[0].offset_bytes, i * 10);
  }
}

TEST_F(ContentWriterTest, TheHashIsOfTheContentHoweverItIsWritten) {
  const Bytes content = rng_.Draw(5000);
  ContentWriter writer = Writer();
  Put(writer, "whole", content);
  ASSERT_TRUE(writer.Begin().ok());
  for (const char& byte : content) ASSERT_TRUE(writer.Write({&byte, 1}).ok());
  ASSERT_TRUE(writer.End(Named("bytes")).ok());
  Put(writer, "other", rng_.Draw(5000));
  ASSERT_TRUE(writer.Finish().ok());
  ASSERT_EQ(entries_.size(), 3u);
  EXPECT_EQ(entries_[0].content_hash, entries_[1].content_hash);
  EXPECT_NE(entries_[0].content_hash, entries_[2].content_hash);
}

TEST_F(ContentWriterTest, PreparedWindowsAreBoundedAndCounted) {
  const Bytes content = rng_.Draw(20000);
  ContentWriter writer = Writer();
  ASSERT_TRUE(writer.Begin().ok());
  std::size_t at = 0;
  while (at < content.size()) {
    const std::size_t wanted = std::min<std::size_t>(700, content.size() - at);
    const auto window = writer.Prepare(wanted);
    ASSERT_TRUE(window.ok());
    ASSERT_GE(window->size(), 1u);
    ASSERT_LE(window->size(), wanted);
    std::copy_n(content.data() + at, window->size(), window->data());
    // A source may read less than there was room for.
    const std::size_t taken = std::max<std::size_t>(1, window->size() / 2);
    ASSERT_TRUE(writer.Commit(taken).ok());
    at += taken;
  }
  ASSERT_TRUE(writer.End(Named("f")).ok());
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_TRUE(ContentOf(Last()) == content);
}

TEST_F(ContentWriterTest, AbandonedContentLeavesNoTraceInOthers) {
  const Bytes before = rng_.Draw(100), after = rng_.Draw(3000);
  ContentWriter writer = Writer();
  for (const std::size_t size : {0, 40, 900, 1024, 5000}) {
    SCOPED_TRACE(size);
    Put(writer, "before", before);
    ASSERT_TRUE(writer.Begin().ok());
    ASSERT_TRUE(writer.Write(rng_.Draw(size)).ok());
    ASSERT_TRUE(writer.Abandon().ok());
    Put(writer, "after", after);
    ASSERT_TRUE(writer.Cut().ok());
    ASSERT_GE(entries_.size(), 2u);
    EXPECT_TRUE(ContentOf(entries_[entries_.size() - 2]) == before);
    EXPECT_TRUE(ContentOf(Last()) == after);
  }
  EXPECT_EQ(entries_.size(), 10u);
}

TEST_F(ContentWriterTest, CutSeparatesContents) {
  const Bytes content = rng_.Draw(700);
  ContentWriter writer = Writer();
  Put(writer, "a", rng_.Draw(17));
  ASSERT_TRUE(writer.Cut().ok());
  EXPECT_EQ(entries_.size(), 1u);
  Put(writer, "b", content);
  ASSERT_TRUE(writer.Cut().ok());
  Put(writer, "c", content);
  ASSERT_TRUE(writer.Finish().ok());
  ASSERT_EQ(entries_.size(), 3u);
  EXPECT_EQ(entries_[1].slices, entries_[2].slices) << "equal content after a cut is equal chunks";
  for (const Slice& slice : entries_[0].slices) {
    EXPECT_NE(slice.chunk, entries_[1].slices[0].chunk);
  }
}

TEST_F(ContentWriterTest, ExtentsKeepTheLogicalSize) {
  ContentWriter writer = Writer();
  Entry sparse = Named("sparse");
  sparse.size_bytes = 1 << 20;
  sparse.extents = {{4096, 100}};
  ASSERT_TRUE(writer.Begin().ok());
  ASSERT_TRUE(writer.Write(rng_.Draw(100)).ok());
  ASSERT_TRUE(writer.End(sparse).ok());
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_EQ(Last().size_bytes, 1u << 20);
  EXPECT_EQ(Last().content_bytes, 100u);
}

TEST_F(ContentWriterTest, ARefusedChunkEndsTheWriting) {
  offer_status_ = Error(ErrorKind::kNoSpace, 9999, "the controller is full");
  ContentWriter writer = Writer();
  ASSERT_TRUE(writer.Begin().ok());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = writer.Write(rng_.Draw(100));
  EXPECT_EQ(KindOf(status), ErrorKind::kNoSpace) << status;
  EXPECT_TRUE(entries_.empty());
}

}  // namespace
}  // namespace holdfast::pipeline
