// Goal: every chunk offered is asked once and sent once when it is lacked, and the first failure of
// any stage ends all of them.
#include "agent/pipeline/chunk_pipeline.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/error.h"
#include "tests/support/fake_ingest_session.h"
#include "tests/support/no_more_threads.h"

namespace holdfast::pipeline {
namespace {

class ChunkPipelineTest : public testing::Test {
 protected:
  ChunkPipelineTest() { controller_.envelopes[key_id_] = "envelope"; }

  std::unique_ptr<ChunkPipeline> Start(absl::flat_hash_set<ChunkId> known = {},
                                       std::stop_token stop = {}) {
    return std::make_unique<ChunkPipeline>(
        session_,
        ChunkPipeline::Options{{agent_.secrets.domain, key_id_, SecretBytes(Bytes(32, 'k'))}, 2},
        std::move(known), agent_.rng, stop);
  }
  ChunkId IdOf(ByteView plaintext) const {
    return ComputeChunkId(id_key_, ObjectType::kContent, plaintext);
  }
  absl::Status Offer(ChunkPipeline& pipeline, ByteView plaintext) {
    return pipeline.Offer(ObjectType::kContent, IdOf(plaintext), plaintext);
  }
  // Offers up to `count` different chunks, ending with the first refusal.
  absl::Status OfferMany(ChunkPipeline& pipeline, int count, std::size_t size = 2000) {
    for (int i = 0; i < count; ++i) {
      RETURN_IF_ERROR(Offer(pipeline, agent_.rng.Draw(size)));
    }
    return absl::OkStatus();
  }

  test::AgentDomain agent_{21};
  const KeyId key_id_ = agent_.rng.DrawFixed<KeyId>();
  const HmacKey id_key_{agent_.secrets.id_key.view()};
  test::FakeController controller_{agent_};
  test::FakeIngestSession session_{controller_};
};

TEST_F(ChunkPipelineTest, SendsWhatIsLackedAndCounts) {
  const auto pipeline = Start();
  std::set<ChunkId> expected;
  std::uint64_t bytes = 0;
  for (std::size_t i = 1; i <= 300; ++i) {
    const Bytes plaintext = agent_.rng.Draw(i);
    expected.insert(IdOf(plaintext));
    bytes += i;
    ASSERT_TRUE(Offer(*pipeline, plaintext).ok());
  }
  ASSERT_TRUE(pipeline->Finish().ok());
  EXPECT_EQ(std::set<ChunkId>(session_.sent.begin(), session_.sent.end()), expected);
  EXPECT_EQ(session_.sent.size(), expected.size());
  EXPECT_EQ(pipeline->counters().offered_chunks, 300u);
  EXPECT_EQ(pipeline->counters().new_chunks, 300u);
  EXPECT_EQ(pipeline->counters().new_bytes, bytes);
  EXPECT_GT(pipeline->counters().sealed_bytes, bytes);
}

TEST_F(ChunkPipelineTest, ARepeatIsAskedAndSentOnce) {
  const auto pipeline = Start();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(Offer(*pipeline, "the same again").ok());
  ASSERT_TRUE(pipeline->Finish().ok());
  EXPECT_EQ(session_.asked.size(), 1u);
  EXPECT_EQ(session_.sent.size(), 1u);
  EXPECT_EQ(pipeline->counters().offered_chunks, 500u);
}

TEST_F(ChunkPipelineTest, KnownChunksAreNotAskedAndPresentOnesNotSent) {
  controller_.objects[IdOf("present")] = "object";
  const auto pipeline = Start({IdOf("known")});
  for (const char* plaintext : {"known", "present", "new"}) {
    ASSERT_TRUE(Offer(*pipeline, plaintext).ok());
  }
  ASSERT_TRUE(pipeline->Finish().ok());
  EXPECT_EQ(std::set<ChunkId>(session_.asked.begin(), session_.asked.end()),
            (std::set<ChunkId>{IdOf("present"), IdOf("new")}));
  EXPECT_EQ(session_.sent, std::vector<ChunkId>{IdOf("new")});
}

TEST_F(ChunkPipelineTest, WhatIsSentOpensAgain) {
  const Bytes plaintext = agent_.rng.Draw(70000);
  const auto pipeline = Start();
  ASSERT_TRUE(Offer(*pipeline, plaintext).ok());
  ASSERT_TRUE(pipeline->Finish().ok());
  ObjectOpener opener(agent_.secrets.domain,
                      std::make_shared<const HmacKey>(agent_.secrets.id_key.view()),
                      [](const KeyId&) { return SecretBytes(Bytes(32, 'k')); });
  const auto opened = opener.Open(IdOf(plaintext), ObjectType::kContent,
                                  controller_.objects.at(IdOf(plaintext)), nullptr);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(*opened == plaintext);
}

TEST_F(ChunkPipelineTest, AFailedQuestionEndsTheRun) {
  session_.on_ask = [](int nth) {
    return nth < 2 ? absl::OkStatus() : Error(ErrorKind::kUnreachable, 6001, "gone");
  };
  const auto pipeline = Start();
  const absl::Status offered = OfferMany(*pipeline, 20000);
  EXPECT_EQ(KindOf(offered), ErrorKind::kUnreachable) << "Offer goes on after a failure";
  EXPECT_EQ(KindOf(pipeline->Finish()), ErrorKind::kUnreachable);
}

TEST_F(ChunkPipelineTest, AFailedSendEndsTheRunAndNothingIsSentAfterIt) {
  session_.on_send = [](int nth) {
    return nth < 5 ? absl::OkStatus() : Error(ErrorKind::kNoSpace, 5012, "full");
  };
  const auto pipeline = Start();
  const absl::Status offered = OfferMany(*pipeline, 3000, 20000);
  EXPECT_EQ(KindOf(offered), ErrorKind::kNoSpace);
  EXPECT_EQ(KindOf(pipeline->Finish()), ErrorKind::kNoSpace);
  EXPECT_EQ(session_.sent.size(), 5u);
}

TEST_F(ChunkPipelineTest, AnAnswerOfAnotherLengthIsRefused) {
  session_.answer_short_by = 1;
  const auto pipeline = Start();
  ASSERT_TRUE(Offer(*pipeline, "chunk").ok());
  EXPECT_EQ(CodeOf(pipeline->Finish()), 2011);
  EXPECT_TRUE(session_.sent.empty());
}

TEST_F(ChunkPipelineTest, AStopFromOutsideEndsABlockedRun) {
  std::stop_source stop;
  session_.on_ask = [&](int nth) {
    if (nth == 1) stop.request_stop();
    return absl::OkStatus();
  };
  const auto pipeline = Start({}, stop.get_token());
  EXPECT_EQ(CodeOf(OfferMany(*pipeline, 20000)), 2010);
  EXPECT_EQ(CodeOf(pipeline->Finish()), 2010);
}

TEST_F(ChunkPipelineTest, GivingUpWithoutFinishEndsTheThreads) {
  {
    const auto pipeline = Start();
    ASSERT_TRUE(OfferMany(*pipeline, 50).ok());
  }
  const std::size_t sent = session_.sent.size();
  EXPECT_LE(sent, 50u);
  EXPECT_EQ(session_.commits, 0);
}

TEST_F(ChunkPipelineTest, AThreadThatIsRefusedEndsTheRunWithWhatMayPass) {
  {
    const test::NoMoreThreads refuse;
    const auto pipeline = Start();
    EXPECT_EQ(CodeOf(Offer(*pipeline, "content")), 1030);
    const absl::Status status = pipeline->Finish();
    EXPECT_EQ(CodeOf(status), 1030);
    EXPECT_TRUE(IsRetryable(status));
  }
  const auto pipeline = Start();
  EXPECT_TRUE(Offer(*pipeline, "content").ok());
  EXPECT_TRUE(pipeline->Finish().ok());
}

}  // namespace
}  // namespace holdfast::pipeline
