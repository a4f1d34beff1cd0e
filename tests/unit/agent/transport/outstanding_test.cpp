// Goal: what is not answered is said once on every stream, in an order that the controller can use,
// and nothing that is stored is said again.
#include "agent/transport/outstanding.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "proto/ingest.pb.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::transport {
namespace {

class OutstandingTest : public testing::Test {
 protected:
  // One letter per message, e.g. "EQO2C": an envelope, a question, two objects, a commit.
  std::string SaidNow() {
    std::string said;
    for (;;) {
      Saying saying;
      if (!outstanding_.Next(&saying)) return said;
      const v1::BackupRequest& request = saying.request();
      if (request.has_envelope()) said += "E";
      if (request.has_question()) said += "Q";
      if (request.has_objects()) said += "O" + std::to_string(request.objects().objects_size());
      if (request.has_commit()) said += "C";
    }
  }
  std::string SaidOnNextStream() {
    outstanding_.BeginStream();
    return SaidNow();
  }

  test::SeededRng rng_{17};
  Outstanding outstanding_;
  const pipeline::CommitRequest commit_{};
};

TEST_F(OutstandingTest, EverythingIsSaidOnceOnEveryStreamTheCommitLast) {
  EXPECT_FALSE(outstanding_.ExpectsAnswer());
  outstanding_.Commit(commit_);
  outstanding_.AddObject("first");
  outstanding_.AddObject("second");
  outstanding_.Ask({rng_.DrawFixed<ChunkId>()});
  outstanding_.PutEnvelope(rng_.DrawFixed<KeyId>(), "sealed");
  EXPECT_EQ(SaidNow(), "EQO2C");
  EXPECT_EQ(SaidNow(), "");
  EXPECT_TRUE(outstanding_.ExpectsAnswer());
  EXPECT_EQ(SaidOnNextStream(), "EQO2C");
}

TEST_F(OutstandingTest, WhatIsAnsweredIsNotSaidAgain) {
  outstanding_.PutEnvelope(rng_.DrawFixed<KeyId>(), "sealed");
  outstanding_.Ask({rng_.DrawFixed<ChunkId>()});
  outstanding_.Commit(commit_);
  EXPECT_EQ(SaidNow(), "EQC");
  outstanding_.EnvelopeStored();
  EXPECT_FALSE(outstanding_.has_envelope());
  EXPECT_EQ(SaidOnNextStream(), "QC");
  EXPECT_TRUE(outstanding_.TakeAnswer(1));
  EXPECT_EQ(SaidOnNextStream(), "C");
  outstanding_.TakeOutcome({});
  EXPECT_EQ(SaidOnNextStream(), "");
  EXPECT_FALSE(outstanding_.ExpectsAnswer());
  // The next attempt of the same run commits again.
  outstanding_.EndCommit();
  outstanding_.Commit(commit_);
  EXPECT_EQ(SaidNow(), "C");
}

TEST_F(OutstandingTest, AnAnswerToAnOldQuestionIsNone) {
  EXPECT_FALSE(outstanding_.TakeAnswer(0));
  outstanding_.Ask({rng_.DrawFixed<ChunkId>()});
  EXPECT_TRUE(outstanding_.TakeAnswer(1));
  outstanding_.Ask({rng_.DrawFixed<ChunkId>(), rng_.DrawFixed<ChunkId>()});
  EXPECT_FALSE(outstanding_.TakeAnswer(1)) << "it came twice";
  Saying saying;
  ASSERT_TRUE(outstanding_.Next(&saying));
  EXPECT_EQ(saying.request().question().number(), 2u);
  EXPECT_EQ(saying.request().question().chunk_ids().size(), 2 * ChunkId::kSize);
  EXPECT_TRUE(outstanding_.TakeAnswer(2));
}

TEST_F(OutstandingTest, ObjectsAreKeptUntilTheyAreStored) {
  for (const char* object : {"one", "two", "three"}) outstanding_.AddObject(object);
  EXPECT_EQ(KindOf(outstanding_.TakeStored(1)), ErrorKind::kIntegrity) << "none was sent yet";
  EXPECT_EQ(SaidNow(), "O3");
  ASSERT_TRUE(outstanding_.TakeStored(1).ok());
  // The new stream counts from its own beginning.
  outstanding_.BeginStream();
  Saying saying;
  ASSERT_TRUE(outstanding_.Next(&saying));
  ASSERT_EQ(saying.request().objects().objects_size(), 2);
  EXPECT_EQ(saying.request().objects().objects(0), "two");
  EXPECT_EQ(CodeOf(outstanding_.TakeStored(3)), 6005);
  ASSERT_TRUE(outstanding_.TakeStored(2).ok());
  EXPECT_EQ(CodeOf(outstanding_.TakeStored(1)), 6005) << "fewer than before";
  EXPECT_TRUE(outstanding_.all_stored());
  EXPECT_EQ(outstanding_.sent_bytes(), std::string("onetwothreetwothree").size());
}

TEST_F(OutstandingTest, AMessageKeepsItsObjectsWhenTheyAreStoredWhileItIsWritten) {
  const Bytes object = rng_.Draw(1000);
  outstanding_.AddObject(object);
  outstanding_.AddObject("other");
  Saying saying;
  ASSERT_TRUE(outstanding_.Next(&saying));
  ASSERT_TRUE(outstanding_.TakeStored(2).ok());
  EXPECT_TRUE(outstanding_.all_stored());
  ASSERT_EQ(saying.request().objects().objects_size(), 2);
  EXPECT_EQ(saying.request().objects().objects(0), object);
  EXPECT_EQ(saying.request().objects().objects(1), "other");
}

TEST_F(OutstandingTest, MessagesAndWhatWaitsAreBounded) {
  const Bytes large(700'000, 'x');
  for (int i = 0; i < 3; ++i) outstanding_.AddObject(large);
  outstanding_.AddObject("small");
  EXPECT_EQ(SaidNow(), "O1O1O2");
  Outstanding full;
  EXPECT_TRUE(full.HasRoomFor(pipeline::kMaxUnstoredBytes + 1)) << "one passes alone";
  full.AddObject("x");
  EXPECT_TRUE(full.HasRoomFor(pipeline::kMaxUnstoredBytes - 1));
  EXPECT_FALSE(full.HasRoomFor(pipeline::kMaxUnstoredBytes));
}

}  // namespace
}  // namespace holdfast::transport
