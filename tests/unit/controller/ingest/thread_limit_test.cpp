// Goal: at a limit on threads the controller refuses what is new as something that may pass, what
// it serves goes on, and neither it nor the agent dies of it (fault row 35).
#include "tests/support/no_more_threads.h"
#include "tests/unit/controller/ingest/ingest_fixture.h"

namespace holdfast::ingest {
namespace {

class ThreadLimitTest : public IngestTest {};

TEST_F(ThreadLimitTest, NewSessionsAreRefusedAndOpenOnesGoOn) {
  const auto channel = controller_.Connect(identity_);
  RawStream open(channel);
  ASSERT_TRUE(open.Open(agent_.Source("other"), NewRunId()));
  const auto store = [&](ByteView content) {
    v1::BackupReply reply;
    return open.SendObjects({SealedObject(content)}) && open.Read(&reply) && reply.has_stored();
  };
  // An agent is told that its session is open before a thread works for it: now one does.
  ASSERT_TRUE(store("before"));
  {
    const test::NoMoreThreads refuse;
    for (int i = 0; i < 20; ++i) {
      RawStream refused(channel);
      // Told that it is open, or not even that: no thread works for it.
      static_cast<void>(refused.Open(agent_.Source("uploads"), NewRunId()));
      const absl::Status end = refused.End();
      EXPECT_TRUE(absl::IsUnavailable(end)) << end;
      EXPECT_TRUE(IsRetryable(end));
    }
    EXPECT_TRUE(store("content"));
  }
  EXPECT_TRUE(open.End().ok());
  EXPECT_TRUE(Has(IdOf("content")));
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ExpectRestores(report->seq, source_.files);
}

TEST_F(ThreadLimitTest, AnAgentWithoutThreadsFailsItsRunAndMakesTheNext) {
  {
    const test::NoMoreThreads refuse;
    const auto report = Run();
    EXPECT_EQ(CodeOf(report.status()), 1030);
    EXPECT_TRUE(IsRetryable(report.status()));
  }
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  ExpectRestores(report->seq, source_.files);
}

}  // namespace
}  // namespace holdfast::ingest
