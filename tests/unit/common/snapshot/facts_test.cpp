// Goal: the facts of a snapshot come back as they were written, and facts that do not hold together
// are refused.
#include "common/snapshot/facts.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "proto/snapshot.pb.h"

namespace holdfast {
namespace {

SnapshotFacts MakeFacts() {
  SnapshotFacts facts;
  facts.info.source_name = "db";
  facts.info.kind = "postgres";
  facts.info.taken_at = absl::FromUnixMillis(1'767'751'200'123);
  facts.info.entry_count = 7;
  facts.info.content_bytes = 1ull << 40;
  facts.info.position = "0/16B3748";
  facts.info.attributes = {{"encoding", "UTF8"}, {"server_version", "150004"}};
  facts.info.notes = {"no large objects", "an unlogged table"};
  facts.info.problems = {{"data/public.t", "permission denied"}};
  facts.summary = "12 tables";
  facts.manifest = {{*ChunkId::From(Bytes(ChunkId::kSize, 'a')), 0, 100},
                    {*ChunkId::From(Bytes(ChunkId::kSize, 'b')), 5, 23}};
  facts.manifest_bytes = 123;
  facts.chunker_suite = 2;
  return facts;
}

TEST(SnapshotFactsTest, ComeBackWhole) {
  const SnapshotFacts facts = MakeFacts();
  const auto back = DecodeSnapshotFacts(EncodeSnapshotFacts(facts));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->info.source_name, facts.info.source_name);
  EXPECT_EQ(back->info.kind, facts.info.kind);
  EXPECT_EQ(back->info.taken_at, facts.info.taken_at);
  EXPECT_EQ(back->info.entry_count, facts.info.entry_count);
  EXPECT_EQ(back->info.content_bytes, facts.info.content_bytes);
  EXPECT_EQ(back->info.position, facts.info.position);
  EXPECT_EQ(back->info.attributes, facts.info.attributes);
  EXPECT_EQ(back->info.notes, facts.info.notes);
  ASSERT_EQ(back->info.problems.size(), 1u);
  EXPECT_EQ(back->info.problems[0].path, "data/public.t");
  EXPECT_EQ(back->info.problems[0].reason, "permission denied");
  EXPECT_EQ(back->summary, facts.summary);
  ASSERT_EQ(back->manifest.size(), 2u);
  EXPECT_EQ(back->manifest[1].chunk, facts.manifest[1].chunk);
  EXPECT_EQ(back->manifest[1].offset_bytes, 5u);
  EXPECT_EQ(back->manifest[1].length_bytes, 23u);
  EXPECT_EQ(back->manifest_bytes, 123u);
  EXPECT_EQ(back->chunker_suite, 2u);
}

TEST(SnapshotFactsTest, WhatDoesNotHoldTogetherIsRefused) {
  const auto refused = [](ByteView bytes, std::string_view words) {
    const absl::Status status = DecodeSnapshotFacts(bytes).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << status;
    EXPECT_EQ(CodeOf(status), 4052) << status;
    EXPECT_NE(MessageOf(status).find(words), std::string::npos) << status;
  };
  refused("\xff\xff", "they do not parse");
  SnapshotFacts facts = MakeFacts();
  ++facts.manifest_bytes;
  refused(EncodeSnapshotFacts(facts), "another length than the manifest");
  stored::SnapshotFacts message;
  message.add_manifest()->set_chunk("short");
  refused(message.SerializeAsString(), "a manifest chunk id has the wrong length");
}

}  // namespace
}  // namespace holdfast
