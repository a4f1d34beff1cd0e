// Goal: a backup survives what happens to its connection: it goes on where it was, sends nothing
// twice that was STORED, commits once, and restores (fault rows 13, 14, 16, 17).
#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "common/format/pack_file.h"
#include "tests/unit/controller/ingest/ingest_fixture.h"

namespace holdfast::ingest {
namespace {

class ResumeTest : public IngestTest {
 protected:
  // More than the window of unstored bytes, so that acknowledgements come while it runs.
  void MakeLargeSource() {
    source_.files.clear();
    for (int i = 0; i < 48; ++i) source_.files["f" + std::to_string(i)] = agent_.rng.Draw(1 << 20);
  }
  // The controller notices the end of a session a moment after the agent does.
  void WaitUntilNobodyBacksUp() {
    for (bool free = false; !free;) {
      RawStream stream(controller_.Connect(identity_));
      free = stream.Open(agent_.Source("uploads"), NewRunId());
      EXPECT_EQ(CodeOf(stream.End()), free ? 0 : 5032);
    }
  }
  std::uint64_t PackedObjects() {
    std::uint64_t objects = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(
             controller_.data_directory() + "/store/packs")) {
      if (!file.is_regular_file()) continue;
      const auto index = ReadPackIndex(RealFileSystem(), file.path());
      EXPECT_TRUE(index.ok()) << index.status();
      if (index.ok()) objects += index->entries.size();
    }
    return objects;
  }
};

TEST_F(ResumeTest, ABackupOverTheNetworkRestores) {
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 1u);
  ExpectRestores(1, source_.files);
  const auto first = source_.files;
  source_.files["a"] = "changed";
  const auto session = Session(NewRunId());
  const auto second = Run(*session);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->seq, 2u);
  EXPECT_LT(session->sent_bytes(), 2000u) << "only what changed travels";
  ExpectRestores(1, first);
  ExpectRestores(2, source_.files);
}

TEST_F(ResumeTest, ACutAfterStoredGoesOnWhereItWas) {
  MakeLargeSource();
  int cuts = 0;
  std::uint64_t stored_before_cuts = 0;
  controller_.CutWhen([&](const v1::BackupReply& reply) {
    // Every stream is cut once it has acknowledged something, until four were.
    if (!reply.has_stored() || cuts == 4) return false;
    stored_before_cuts += reply.stored().objects();
    return ++cuts > 0;
  });
  const auto session = Session(NewRunId());
  const auto report = Run(*session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(cuts, 4);
  EXPECT_GT(stored_before_cuts, 0u);
  EXPECT_EQ(report->seq, 1u);
  controller_.CutWhen(nullptr);
  ExpectRestores(1, source_.files);
}

TEST_F(ResumeTest, WhatWasAcknowledgedIsNotSentAgain) {
  MakeLargeSource();
  int stored = 0;
  bool cut = false;
  controller_.CutWhen([&](const v1::BackupReply& reply) {
    // Once, at an acknowledgement that follows another: that one the agent has.
    if (cut || !reply.has_stored() || ++stored < 2) return false;
    return cut = true;
  });
  const auto session = Session(NewRunId());
  const auto report = Run(*session);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_TRUE(cut);
  // Sent again is at most what was under way: less than the window, not all.
  EXPECT_LE(session->sent_bytes(), report->stored_bytes + pipeline::kMaxUnstoredBytes);
  EXPECT_LT(PackedObjects(), 2 * report->sent_objects);
  controller_.CutWhen(nullptr);
  ExpectRestores(1, source_.files);
}

TEST_F(ResumeTest, AControllerThatIsStartedAgainTakesTheRestOfTheRun) {
  MakeLargeSource();
  const auto session = Session(NewRunId());
  std::jthread restart([this] {
    // As soon as something is promised.
    for (int i = 0; i < 10'000; ++i) {
      if (controller_.catalog().GetTotals().value().chunk_count >= 4) break;
      RealClock().SleepFor(absl::Milliseconds(2), {});
    }
    controller_.Stop();
    controller_.Start();
  });
  const auto report = Run(*session);
  restart.join();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 1u);
  ExpectRestores(1, source_.files);
}

TEST_F(ResumeTest, ALostReplyToCommitIsTheSameSnapshot) {
  bool lost = false;
  controller_.CutWhen([&](const v1::BackupReply& reply) {
    return reply.has_committed() && !std::exchange(lost, true);
  });
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(lost);
  EXPECT_EQ(report->seq, 1u);
  const auto rows = controller_.catalog().ListSnapshots(agent_.Source("uploads"), 10).value();
  ASSERT_EQ(rows.size(), 1u) << "committed twice";
  EXPECT_EQ(rows[0].snapshot_id, report->snapshot_id);
  ExpectRestores(1, source_.files);
}

TEST_F(ResumeTest, TheSameRunStartedAnewIsNotDoneAgain) {
  const Bytes run_id = NewRunId();
  const auto first = Run(*Session(run_id));
  ASSERT_TRUE(first.ok()) << first.status();
  source_.files["a"] = "changed meanwhile";
  const auto again = Run(*Session(run_id));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->seq, first->seq);
  EXPECT_EQ(again->snapshot_id, first->snapshot_id);
  EXPECT_EQ(controller_.catalog().ListSnapshots(agent_.Source("uploads"), 10)->size(), 1u);
}

TEST_F(ResumeTest, LostAnswersAreAskedForAgain) {
  int answers = 0, envelopes = 0;
  controller_.CutWhen([&](const v1::BackupReply& reply) {
    return (reply.has_answer() && ++answers == 1) ||
           (reply.has_envelope_stored() && ++envelopes == 1);
  });
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GE(answers, 2);
  EXPECT_EQ(envelopes, 2);
  controller_.CutWhen(nullptr);
  ExpectRestores(1, source_.files);
}

TEST_F(ResumeTest, AnotherRunCommittedMeanwhileEndsThisOne) {
  ASSERT_TRUE(Run().ok());
  std::atomic<bool> reachable{true};
  transport::GrpcIngestSession session({env(),
                                        [&] {
                                          return reachable ? controller_.Connect(identity_)
                                                           : rpc::OpenAgentChannel("127.0.0.1:1",
                                                                                   identity_);
                                        },
                                        nullptr, agent_.Source("uploads"), NewRunId()},
                                       {});
  ASSERT_EQ(session.Start()->head_seq, 1u);
  reachable = false;
  controller_.Stop();
  controller_.Start();
  source_.files["a"] = "by the same identity on another host";
  ASSERT_EQ(Run()->seq, 2u);
  reachable = true;
  const auto status = session.Ask({IdOf("anything")}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConflict) << status;
  EXPECT_EQ(CodeOf(status), 2016);
}

TEST_F(ResumeTest, AControllerThatIsGoneIsUnreachableAfterPatience) {
  controller_.Stop();
  const auto session = Session(NewRunId(), "uploads", absl::Milliseconds(300));
  const auto status = session->Start().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  controller_.Start();
}

TEST_F(ResumeTest, AControllerThatOpensAndDoesNothingIsGivenUpAfterPatience) {
  controller_.CutWhen([](const v1::BackupReply& reply) { return !reply.has_opened(); });
  const auto session = Session(NewRunId(), "uploads", absl::Milliseconds(300));
  const auto status = Run(*session).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
}

// The stream lives, so nothing but time tells.
TEST_F(ResumeTest, AControllerThatFallsSilentIsGivenUpAfterPatience) {
  using Kind = bool (v1::BackupReply::*)() const;
  for (const Kind kind : {&v1::BackupReply::has_opened, &v1::BackupReply::has_envelope_stored,
                          &v1::BackupReply::has_answer, &v1::BackupReply::has_stored,
                          &v1::BackupReply::has_committed}) {
    std::promise<void> over;
    const std::shared_future<void> silence = over.get_future().share();
    std::atomic<bool> silent{false};
    controller_.CutWhen([&, silence, kind](const v1::BackupReply& reply) {
      if (!(reply.*kind)()) return false;
      silent = true;
      silence.wait();
      return true;
    });
    const auto session = Session(NewRunId(), "uploads", absl::Seconds(1));
    const auto status = Run(*session).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
    EXPECT_EQ(CodeOf(status), 6007) << status;
    EXPECT_TRUE(silent);
    over.set_value();
    controller_.CutWhen(nullptr);
    WaitUntilNobodyBacksUp();
  }
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ExpectRestores(report->seq, source_.files);
}

TEST_F(ResumeTest, TheSessionOfARemovedAgentEnds) {
  RawStream stream(controller_.Connect(identity_));
  ASSERT_TRUE(stream.Open(agent_.Source("uploads"), NewRunId()));
  ASSERT_TRUE(controller_.catalog().RemoveAgent(agent_.identity.agent_name).ok());
  controller_.clock().Move(absl::Seconds(60));
  EXPECT_TRUE(stream.SendObjects({SealedObject("too late")}));
  const absl::Status status = stream.End();
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6021);
  EXPECT_FALSE(Has(IdOf("too late")));
}

TEST_F(ResumeTest, AStopEndsASessionThatWaits) {
  controller_.Stop();
  std::stop_source stop;
  transport::GrpcIngestSession session({env(), [this] { return controller_.Connect(identity_); },
                                        nullptr, agent_.Source("uploads"), NewRunId()},
                                       stop.get_token());
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(CodeOf(session.Start().status()), 2010);
  controller_.Start();
}

}  // namespace
}  // namespace holdfast::ingest
