// Goal: every job started ends with exactly one result, whatever becomes of its agent.
#include "controller/control/job_board.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/base/error.h"
#include "fmt/format.h"
#include "proto/control.pb.h"
#include "proto/operator.pb.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::control {
namespace {

// Time that moves only when a test says so.
class ManualClock final : public Clock {
 public:
  absl::Time Now() override { return absl::UnixEpoch() + Monotonic(); }
  absl::Duration Monotonic() override { return now; }
  bool SleepFor(absl::Duration, std::stop_token) override { return true; }
  absl::Duration now = absl::Hours(1);
};

class JobBoardTest : public testing::Test {
 protected:
  v1::Job Job(char id, v1::JobKind kind = v1::JOB_KIND_BACKUP, char source = 's') {
    v1::Job job;
    job.set_job_id(Bytes(16, id));
    job.set_kind(kind);
    job.set_source_id(Bytes(16, source));
    return job;
  }
  static v1::JobResult Result(char id, std::uint32_t exit_code = 0) {
    v1::JobResult result;
    result.set_job_id(Bytes(16, id));
    result.set_exit_code(exit_code);
    return result;
  }
  absl::Status Start(const v1::Job& job) { return board_.Start(agent_, "web-1", job); }
  std::vector<v1::JobEvent> WatchedEvents(const std::vector<Bytes>& ids, absl::Status* status) {
    std::vector<v1::JobEvent> events;
    *status = board_.Watch(
        ids,
        [&](const v1::JobEvent& event) {
          events.push_back(event);
          return true;
        },
        [] { return false; });
    return events;
  }
  v1::JobResult ResultOf(char id) {
    absl::Status status;
    const auto events = WatchedEvents({Bytes(16, id)}, &status);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_FALSE(events.empty());
    return events.empty() ? v1::JobResult() : events.back().result();
  }

  ManualClock clock_;
  test::SeededRng rng_{1};
  const AgentId agent_ = rng_.DrawFixed<AgentId>();
  const AgentId other_agent_ = rng_.DrawFixed<AgentId>();
  std::vector<std::pair<Bytes, std::uint32_t>> results_;  // as noted: job, exit code
  std::function<void()> meanwhile_;                       // runs while a result is noted
  JobBoard board_{Env{clock_, rng_, RealFileSystem()},
                  [this](const v1::Job& job, const v1::JobResult& result) {
                    results_.emplace_back(job.job_id(), result.exit_code());
                    if (meanwhile_ && results_.size() < 3) meanwhile_();
                  }};
};

TEST_F(JobBoardTest, AJobGoesToItsAgentAndComesBack) {
  const auto link = board_.Attach(agent_, {});
  EXPECT_TRUE(board_.IsConnected(agent_));
  EXPECT_FALSE(board_.IsConnected(other_agent_));
  ASSERT_TRUE(Start(Job('a')).ok());
  bool closed = true;
  const auto message = link->Pop(&closed);
  ASSERT_TRUE(message != nullptr);
  EXPECT_FALSE(closed);
  EXPECT_EQ(message->job().job_id(), Bytes(16, 'a'));

  v1::JobProgress progress;
  progress.set_job_id(Bytes(16, 'a'));
  progress.set_bytes_done(7);
  board_.Report(agent_, progress);
  int events = 0;
  ASSERT_TRUE(board_
                  .Watch(
                      {Bytes(16, 'a')},
                      [&](const v1::JobEvent& event) {
                        if (++events == 1) {
                          EXPECT_EQ(event.progress().bytes_done(), 7u);
                          board_.Finish(agent_, Result('a', 3));
                        } else {
                          EXPECT_EQ(event.result().exit_code(), 3u);
                        }
                        return true;
                      },
                      [] { return false; })
                  .ok());
  EXPECT_EQ(events, 2);
  EXPECT_EQ(results_, (std::vector<std::pair<Bytes, std::uint32_t>>{{Bytes(16, 'a'), 3}}));
}

TEST_F(JobBoardTest, ASecondResultChangesNothing) {
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  board_.Finish(agent_, Result('a', 0));
  board_.Finish(agent_, Result('a', 1));
  EXPECT_EQ(results_.size(), 1u);
  EXPECT_EQ(ResultOf('a').exit_code(), 0u);
}

TEST_F(JobBoardTest, AResultThatComesWhileAnotherIsNotedChangesNothing) {
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  meanwhile_ = [this] { board_.Finish(agent_, Result('a', 1)); };
  board_.Finish(agent_, Result('a', 0));
  EXPECT_EQ(results_, (std::vector<std::pair<Bytes, std::uint32_t>>{{Bytes(16, 'a'), 0}}));
  EXPECT_EQ(ResultOf('a').exit_code(), 0u);
}

TEST_F(JobBoardTest, AnAgentReportsItsOwnJobsOnly) {
  board_.Attach(agent_, {});
  board_.Attach(other_agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  board_.Finish(other_agent_, Result('a'));
  board_.Finish(agent_, Result('z'));
  EXPECT_TRUE(results_.empty());
  EXPECT_FALSE(board_.MayRead(other_agent_, *SourceId::From(Bytes(16, 's'))));
}

TEST_F(JobBoardTest, WithoutItsAgentAJobDoesNotStart) {
  EXPECT_EQ(CodeOf(Start(Job('a'))), 6040);
  const auto link = board_.Attach(agent_, {});
  board_.Detach(agent_, link);
  EXPECT_EQ(KindOf(Start(Job('a'))), ErrorKind::kUnreachable);
  EXPECT_TRUE(results_.empty());
}

TEST_F(JobBoardTest, OneBackupPerSource) {
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  EXPECT_EQ(CodeOf(Start(Job('b'))), 6041);
  EXPECT_TRUE(Start(Job('c', v1::JOB_KIND_BACKUP, 't')).ok());
  EXPECT_TRUE(Start(Job('d', v1::JOB_KIND_VERIFY)).ok());
  board_.Finish(agent_, Result('a'));
  EXPECT_TRUE(Start(Job('e')).ok());
}

TEST_F(JobBoardTest, AnAgentThatComesBackWithoutItsJobHasLostIt) {
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  ASSERT_TRUE(Start(Job('b', v1::JOB_KIND_VERIFY)).ok());
  board_.Attach(agent_, {Bytes(16, 'b')});
  EXPECT_EQ(ResultOf('a').exit_code(), 8u);
  EXPECT_EQ(ResultOf('a').error_code(), 6042u);
  EXPECT_EQ(results_.size(), 1u) << "the one that still runs goes on";
  board_.Finish(agent_, Result('b'));
  EXPECT_EQ(ResultOf('b').exit_code(), 0u);
}

TEST_F(JobBoardTest, AnAgentThatStaysAwayHasLostItsJobs) {
  const auto link = board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  board_.Detach(agent_, link);
  clock_.now += kAgentPatience + absl::Seconds(1);
  EXPECT_EQ(ResultOf('a').exit_code(), 8u);
  EXPECT_EQ(results_.size(), 1u);
}

TEST_F(JobBoardTest, AShortCutKeepsTheJob) {
  const auto link = board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  board_.Detach(agent_, link);
  clock_.now += kAgentPatience / 2;
  board_.Attach(agent_, {Bytes(16, 'a')});
  board_.Finish(agent_, Result('a'));
  EXPECT_EQ(ResultOf('a').exit_code(), 0u);
}

TEST_F(JobBoardTest, ANewerStreamClosesTheOlderAndIsNotDetachedByIt) {
  const auto first = board_.Attach(agent_, {});
  const auto second = board_.Attach(agent_, {});
  bool closed = false;
  EXPECT_EQ(first->Pop(&closed), nullptr);
  EXPECT_TRUE(closed);
  board_.Detach(agent_, first);
  EXPECT_TRUE(board_.IsConnected(agent_));
  board_.Disconnect(agent_);
  EXPECT_EQ(second->Pop(&closed), nullptr);
  EXPECT_TRUE(closed);
}

TEST_F(JobBoardTest, AJobThatMayWaitIsSentWhenItsAgentConnects) {
  ASSERT_TRUE(board_.StartWhenConnected(agent_, Job('a')).ok());
  const SourceId source = *SourceId::From(Bytes(16, 's'));
  ASSERT_TRUE(board_.BackupOf(source).has_value());
  EXPECT_FALSE(board_.BackupOf(source)->sent);
  EXPECT_EQ(CodeOf(board_.StartWhenConnected(agent_, Job('b'))), 6041);
  clock_.now += absl::Hours(100);
  board_.FinishLost();
  EXPECT_TRUE(results_.empty()) << "what was never sent is not lost";
  bool closed = false;
  const auto link = board_.Attach(agent_, {});
  const auto message = link->Pop(&closed);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->job().job_id(), Bytes(16, 'a'));
  EXPECT_TRUE(board_.BackupOf(source)->sent);
  EXPECT_EQ(board_.BackupOf(source)->sent_at, clock_.Now());
  board_.Finish(agent_, Result('a'));
  EXPECT_FALSE(board_.BackupOf(source).has_value());
  ASSERT_TRUE(board_.StartWhenConnected(agent_, Job('c')).ok());
  EXPECT_TRUE(board_.BackupOf(source)->sent) << "a connected agent gets it at once";
}

TEST_F(JobBoardTest, AnAgentThatIsAtAJobAlreadyDoesNotGetItAgain) {
  ASSERT_TRUE(board_.StartWhenConnected(agent_, Job('a')).ok());
  bool closed = false;
  const auto link = board_.Attach(agent_, {Bytes(16, 'a')});
  EXPECT_EQ(link->Pop(&closed), nullptr);
  EXPECT_TRUE(board_.BackupOf(*SourceId::From(Bytes(16, 's')))->sent);
  board_.Finish(agent_, Result('a', 10));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].second, 10u);
}

TEST_F(JobBoardTest, OnlyAJobThatWaitsIsWithdrawn) {
  ASSERT_TRUE(board_.StartWhenConnected(agent_, Job('a')).ok());
  board_.Withdraw(Bytes(16, 'a'));
  bool closed = false;
  const auto link = board_.Attach(agent_, {});
  EXPECT_EQ(link->Pop(&closed), nullptr);
  ASSERT_TRUE(board_.StartWhenConnected(agent_, Job('b')).ok());
  board_.Withdraw(Bytes(16, 'b'));
  EXPECT_TRUE(board_.BackupOf(*SourceId::From(Bytes(16, 's'))).has_value());
}

TEST_F(JobBoardTest, WhatAnAgentSaysOfItsConfigurationHoldsWhileItIsConnected) {
  const auto link = board_.Attach(agent_, {});
  board_.NoteConfig(agent_, true);
  EXPECT_TRUE(board_.RefusedItsConfig(agent_));
  EXPECT_FALSE(board_.RefusedItsConfig(other_agent_));
  board_.Detach(agent_, link);
  EXPECT_FALSE(board_.RefusedItsConfig(agent_));
  const auto again = board_.Attach(agent_, {});
  EXPECT_FALSE(board_.RefusedItsConfig(agent_));
}

TEST_F(JobBoardTest, CancelReachesTheAgent) {
  const auto link = board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  bool closed = false;
  ASSERT_TRUE(link->Pop(&closed)->has_job());
  ASSERT_TRUE(board_.Cancel(Bytes(16, 'a')).ok());
  EXPECT_EQ(link->Pop(&closed)->cancel().job_id(), Bytes(16, 'a'));
  board_.Finish(agent_, Result('a', 1));
  EXPECT_TRUE(board_.Cancel(Bytes(16, 'a')).ok()) << "done already";
  EXPECT_EQ(KindOf(board_.Cancel(Bytes(16, 'z'))), ErrorKind::kNotFound);
}

TEST_F(JobBoardTest, WatchingEndsWhenNobodyListensOrTheDaemonStops) {
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a')).ok());
  v1::JobProgress progress;
  progress.set_job_id(Bytes(16, 'a'));
  board_.Report(agent_, progress);
  const auto never = [] { return false; };
  EXPECT_TRUE(board_
                  .Watch(
                      {Bytes(16, 'a')}, [](const v1::JobEvent&) { return false; }, never)
                  .ok());
  int asked = 0;
  EXPECT_TRUE(board_
                  .Watch(
                      {Bytes(16, 'a')}, [](const v1::JobEvent&) { return true; },
                      [&] { return ++asked > 2; })
                  .ok());
  absl::Status status;
  WatchedEvents({Bytes(16, 'z')}, &status);
  EXPECT_EQ(CodeOf(status), 6043);
}

TEST_F(JobBoardTest, ReadingIsAllowedWhileARestoreOrVerifyJobRuns) {
  const SourceId source = *SourceId::From(Bytes(16, 's'));
  board_.Attach(agent_, {});
  ASSERT_TRUE(Start(Job('a', v1::JOB_KIND_BACKUP)).ok());
  EXPECT_FALSE(board_.MayRead(agent_, source)) << "a backup job reads nothing of others";
  ASSERT_TRUE(Start(Job('b', v1::JOB_KIND_RESTORE)).ok());
  EXPECT_TRUE(board_.MayRead(agent_, source));
  EXPECT_FALSE(board_.MayRead(agent_, *SourceId::From(Bytes(16, 't'))));
  board_.Finish(agent_, Result('b'));
  EXPECT_FALSE(board_.MayRead(agent_, source));
}

TEST_F(JobBoardTest, FinishedJobsAreForgottenInTheEnd) {
  board_.Attach(agent_, {});
  const auto id_of = [](int i) { return fmt::format("{:016}", i); };
  for (int i = 0; i < 1100; ++i) {
    v1::Job job = Job('x');
    job.set_job_id(id_of(i));
    ASSERT_TRUE(Start(job).ok()) << i;
    v1::JobResult result = Result('x');
    result.set_job_id(id_of(i));
    board_.Finish(agent_, result);
  }
  absl::Status status;
  WatchedEvents({id_of(0)}, &status);
  EXPECT_EQ(KindOf(status), ErrorKind::kNotFound);
  EXPECT_EQ(WatchedEvents({id_of(1099)}, &status).size(), 1u);
  EXPECT_TRUE(status.ok());
}

}  // namespace
}  // namespace holdfast::control
