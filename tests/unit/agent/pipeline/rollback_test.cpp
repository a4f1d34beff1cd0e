// Goal: a controller that shows another history than the one this agent wrote is not trusted and
// gets nothing (fault rows 30, 62); one that is ahead on the same chain is.
#include "tests/unit/agent/pipeline/backup_run_fixture.h"

namespace holdfast::pipeline {
namespace {

class RollbackTest : public BackupRunTest {
 protected:
  // `session` must be refused before anything was sent.
  void ExpectRollback(test::FakeIngestSession& session) {
    const std::size_t objects = controller_.objects.size();
    const std::size_t envelopes = controller_.envelopes.size();
    const auto status = Run(session).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
    EXPECT_EQ(CodeOf(status), 4065) << status;
    EXPECT_NE(MessageOf(status).find("ROLLBACK"), std::string::npos);
    EXPECT_EQ(session.commits, 0);
    EXPECT_TRUE(session.sent.empty());
    EXPECT_EQ(controller_.objects.size(), objects);
    EXPECT_EQ(controller_.envelopes.size(), envelopes);
  }
  void ExpectRollback() {
    test::FakeIngestSession session(controller_);
    ExpectRollback(session);
  }
  // A record of this source as the agent would sign it, with `alter` applied.
  Bytes Record(std::function<void(RecordClear*)> alter, const KeyPair& signer) {
    RecordClear clear;
    clear.domain = agent_.secrets.domain;
    clear.source = source_id_;
    clear.seq = controller_.snapshots.size() + 1;
    if (!controller_.snapshots.empty()) {
      clear.previous = RecordHash(controller_.snapshots.back().record);
    }
    clear.key_ids = {agent_.rng.DrawFixed<KeyId>()};
    alter(&clear);
    return SealRecord(clear, "facts", SecretBytes(Bytes(32, 'k')), signer, agent_.rng);
  }
  void ChangeAndRun(const std::string& content) {
    source_.files["dir/a"] = content;
    const auto report = Run();
    ASSERT_TRUE(report.ok()) << report.status();
  }
};

TEST_F(RollbackTest, AnOlderHeadIsARollback) {
  ChangeAndRun("one");
  ChangeAndRun("two");
  auto whole = controller_.snapshots;
  controller_.snapshots.pop_back();
  ExpectRollback();
  controller_.snapshots.clear();
  ExpectRollback();
  controller_.snapshots = whole;
  ChangeAndRun("three");
  EXPECT_EQ(controller_.snapshots.size(), 3u);
}

TEST_F(RollbackTest, AnotherRecordOfTheSameNumberIsAFork) {
  ChangeAndRun("one");
  const Bytes state = RealFileSystem().ReadFile(directory_ / "uploads.last").value();
  ChangeAndRun("two");
  const Bytes remembered = RealFileSystem().ReadFile(directory_ / "uploads.last").value();
  // The same agent, set back with its disk, writes another second snapshot.
  controller_.snapshots.pop_back();
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "uploads.last", state).ok());
  ChangeAndRun("another two");
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "uploads.last", remembered).ok());
  ExpectRollback();
}

TEST_F(RollbackTest, AHeadThatDoesNotFollowOursIsAFork) {
  ChangeAndRun("one");
  controller_.snapshots.push_back(
      {Record([&](RecordClear* clear) { clear->previous = agent_.rng.DrawFixed<Hash256>(); },
              agent_.signing),
       {},
       true});
  ExpectRollback();
}

TEST_F(RollbackTest, AHeadOfAnotherSourceOrNumberIsRefused) {
  ChangeAndRun("one");
  const auto honest = controller_.snapshots;
  controller_.snapshots[0].record = Record(
      [&](RecordClear* clear) {
        clear->source = agent_.Source("other");
        clear->seq = 1;
        clear->previous = Hash256();
      },
      agent_.signing);
  ExpectRollback();
  controller_.snapshots = honest;
  test::FakeIngestSession session(controller_);
  session.alter_start = [](SessionStart* start) { start->head_seq = 7; };
  ExpectRollback(session);
}

TEST_F(RollbackTest, AHeadThatThisAgentDidNotSignIsRefused) {
  ChangeAndRun("one");
  const KeyPair stranger = Ed25519Generate(agent_.rng);
  controller_.snapshots.push_back({Record([](RecordClear*) {}, stranger), {}, true});
  test::FakeIngestSession session(controller_);
  EXPECT_EQ(KindOf(Run(session).status()), ErrorKind::kIntegrity);
  EXPECT_EQ(session.commits, 0);
  EXPECT_TRUE(session.sent.empty());
}

TEST_F(RollbackTest, AnAgentSetBackAcceptsTheHeadThatFollowsItsOwn) {
  ChangeAndRun("one");
  const Bytes state = RealFileSystem().ReadFile(directory_ / "uploads.last").value();
  ChangeAndRun("two");
  ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "uploads.last", state).ok());
  ChangeAndRun("three");
  EXPECT_EQ(controller_.snapshots.size(), 3u);
  EXPECT_EQ(opened_from_controller_, 1);
  ExpectRestores(3, source_.files);
}

TEST_F(RollbackTest, AnOlderRecipientListIsARollback) {
  controller_.recipients = agent_.Recipients(3);
  ChangeAndRun("one");
  controller_.recipients = agent_.Recipients(2);
  ExpectRollback();
  controller_.recipients = agent_.Recipients(4);
  ChangeAndRun("two");
  controller_.recipients = agent_.Recipients(3);
  ExpectRollback();
}

TEST_F(RollbackTest, ARecipientListOfAnotherOwnerIsRefused) {
  const test::AgentDomain other(78);
  controller_.recipients = other.Recipients();
  test::FakeIngestSession session(controller_);
  EXPECT_EQ(KindOf(Run(session).status()), ErrorKind::kIntegrity);
  EXPECT_TRUE(controller_.envelopes.empty()) << "a run key was sealed for strangers";
}

TEST_F(RollbackTest, AConfirmationOfAnotherSnapshotIsNoSuccess) {
  test::FakeIngestSession session(controller_);
  session.alter_outcome = [this](CommitOutcome* outcome) {
    outcome->committed.snapshot_id = agent_.rng.DrawFixed<Hash256>();
  };
  EXPECT_EQ(CodeOf(Run(session).status()), 4065);
  EXPECT_FALSE(RealFileSystem().Exists(directory_ / "uploads.last"));
}

}  // namespace
}  // namespace holdfast::pipeline
