// Goal: whatever a controller sends, a job does only what this host's configuration allows, and
// what is refused is refused before anything is asked or written (fault row 64).
#include "agent/daemon/job_runner.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "proto/common.pb.h"
#include "proto/control.pb.h"
#include "tests/support/agent_domain.h"
#include "tests/support/no_more_threads.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

class JobRunnerTest : public testing::Test {
 protected:
  struct Outcome {
    v1::JobResult result;
    v1::JobDetail detail;
    int code() const { return static_cast<int>(result.error_code()); }
    ErrorKind kind() const { return static_cast<ErrorKind>(result.exit_code()); }
  };

  JobRunnerTest() {
    std::filesystem::create_directories(directory_ / "restore");
    std::filesystem::create_directories(directory_ / "elsewhere");
    std::filesystem::create_symlink(directory_ / "elsewhere", directory_ / "restore/link");
    state_.directory = directory_ / "agent";
    state_.keys = {agent_.identity, agent_.signing, agent_.recipient, agent_.secrets,
                   agent_.owner.public_key};
    SourceConfig source;
    source.name = "uploads";
    config_.sources.push_back(source);
    config_.restore_roots = {directory_ / "restore"};
  }

  // Nothing may ask the controller for anything.
  JobRunner::Options Options(std::function<void(const v1::JobResult&)> on_result) {
    return {RealEnv(),
            [this] { return std::make_shared<const AgentConfig>(config_); },
            &state_,
            [] {
              ADD_FAILURE() << "the controller was asked";
              return rpc::OpenLocalChannel("/nowhere");
            },
            [] { return absl::OkStatus(); },
            [this] {
              return std::vector<Recipient>{
                  {RecipientRole::kRecovery, "recovery", agent_.recovery.public_key}};
            },
            [](const v1::JobProgress&) {},
            std::move(on_result),
            [] { ADD_FAILURE() << "a backup was made"; },
            [this](std::string what) { suspicions_.push_back(std::move(what)); }};
  }

  // Runs one job to its end.
  Outcome Run(v1::Job job) {
    job.set_job_id(agent_.rng.Draw(16));
    std::promise<v1::JobResult> promise;
    JobRunner runner(Options([&](const v1::JobResult& result) { promise.set_value(result); }));
    runner.Start(job);
    Outcome outcome{promise.get_future().get(), {}};
    EXPECT_EQ(outcome.result.job_id(), job.job_id());
    const auto detail =
        OpenText(kJobDetailContext, outcome.result.sealed_detail(), agent_.recovery);
    EXPECT_TRUE(detail.ok()) << detail.status();
    if (detail.ok()) {
      EXPECT_TRUE(outcome.detail.ParseFromString(Bytes(detail->view())));
    }
    EXPECT_EQ(outcome.result.message(), "") << "in clear";
    return outcome;
  }
  v1::Job RestoreJob(const v1::RestoreOptions& options, const SourceId& sealed_for) {
    v1::Job job;
    job.set_kind(v1::JOB_KIND_RESTORE);
    job.set_source_id(agent_.Source("uploads").bytes());
    job.set_seq(1);
    job.set_sealed_restore(
        SealText(Bytes(kRestoreOptionsContext) + sealed_for.bytes(), options.SerializeAsString(),
                 {{RecipientRole::kAgent, "web-1", agent_.recipient.public_key}}, agent_.rng));
    return job;
  }
  Outcome RestoreTo(const std::string& target) {
    v1::RestoreOptions options;
    options.set_target(target);
    options.set_overwrite(2);
    return Run(RestoreJob(options, agent_.Source("uploads")));
  }

  test::TempDir directory_;
  test::AgentDomain agent_{64};
  AgentState state_;
  AgentConfig config_;
  std::vector<std::string> suspicions_;
};

TEST_F(JobRunnerTest, JobsOfUnknownKindOrSourceAreRefused) {
  v1::Job job;
  for (const int kind : {0, 77}) {
    job.set_kind(static_cast<v1::JobKind>(kind));
    EXPECT_EQ(Run(job).code(), 2017);
  }
  job.set_kind(v1::JOB_KIND_BACKUP);
  for (const Bytes& source : {Bytes(), Bytes("short"), agent_.Source("other").bytes(),
                              agent_.rng.DrawFixed<SourceId>().bytes()}) {
    job.set_source_id(source);
    const Outcome outcome = Run(job);
    EXPECT_EQ(outcome.code(), 2018) << ToHex(source);
    EXPECT_EQ(outcome.kind(), ErrorKind::kNotFound);
  }
}

TEST_F(JobRunnerTest, RestoresOnlyBelowTheRestoreRoots) {
  const std::string root = directory_ / "restore";
  for (const std::string& target :
       {std::string("/"), std::string("/etc/cron.d/x"), std::string("restore"), root + "/../x",
        root + "/..", root + "/link/x", root + "-beside", state_.directory,
        directory_ / "elsewhere"}) {
    const Outcome outcome = RestoreTo(target);
    EXPECT_EQ(outcome.code(), 3009) << target;
    EXPECT_EQ(outcome.kind(), ErrorKind::kPermission);
    ASSERT_EQ(suspicions_.size(), 1u) << target;
    suspicions_.clear();
    EXPECT_NE(outcome.detail.hint().find("restore_roots"), std::string::npos)
        << outcome.detail.hint();
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "elsewhere"));
  config_.restore_roots.clear();
  EXPECT_EQ(RestoreTo(root + "/x").code(), 3009) << "nothing is allowed unless it is said";
}

TEST_F(JobRunnerTest, ARestoreDoesNotWaitForABackupAndASecondBackupDoes) {
  config_.sources[0].hooks.before = {{"/bin/sleep", "600"}, absl::InfiniteDuration()};
  v1::Job first;
  first.set_kind(v1::JOB_KIND_BACKUP);
  first.set_source_id(agent_.Source("uploads").bytes());
  first.set_job_id(Bytes(16, '1'));
  v1::Job second = first;
  second.set_job_id(Bytes(16, '2'));
  v1::RestoreOptions options;
  options.set_target("/etc/cron.d/x");
  v1::Job restore = RestoreJob(options, agent_.Source("uploads"));
  restore.set_job_id(Bytes(16, '3'));

  std::map<Bytes, std::promise<v1::JobResult>> results;
  for (const v1::Job* job : {&first, &second, &restore}) results[job->job_id()];
  JobRunner runner(
      Options([&](const v1::JobResult& result) { results.at(result.job_id()).set_value(result); }));
  for (const v1::Job* job : {&first, &second, &restore}) runner.Start(*job);
  EXPECT_EQ(results.at(restore.job_id()).get_future().get().error_code(), 3009u);
  EXPECT_GE(runner.Unfinished().size(), 2u);
  // The second waits its turn, and is over before it began.
  runner.Cancel(second.job_id());
  runner.Cancel(first.job_id());
  EXPECT_NE(results.at(first.job_id()).get_future().get().exit_code(), 0u);
  EXPECT_EQ(results.at(second.job_id()).get_future().get().error_code(), 2010u);
}

TEST_F(JobRunnerTest, RestoreOptionsThatWereNotMadeForThisSourceAreRefused) {
  v1::RestoreOptions options;
  options.set_target(directory_ / "restore/x");
  EXPECT_NE(Run(RestoreJob(options, agent_.Source("other"))).kind(), ErrorKind())
      << "sealed for another source";
  EXPECT_EQ(suspicions_.size(), 1u);
  v1::Job job = RestoreJob(options, agent_.Source("uploads"));
  for (const Bytes& sealed :
       {Bytes(), Bytes(300, 'x'), job.sealed_restore().substr(0, job.sealed_restore().size() - 1),
        job.sealed_restore() + "x"}) {
    v1::Job bad = job;
    bad.set_sealed_restore(sealed);
    EXPECT_NE(Run(bad).kind(), ErrorKind()) << sealed.size();
  }
  options.set_connection("another");
  EXPECT_EQ(Run(RestoreJob(options, agent_.Source("uploads"))).code(), 3010)
      << "servers are those of this host's sources";
}

TEST_F(JobRunnerTest, AJobThatGetsNoThreadFailsWithWhatMayPass) {
  std::promise<v1::JobResult> promise;
  JobRunner runner(Options([&](const v1::JobResult& result) { promise.set_value(result); }));
  v1::Job job;
  job.set_job_id(agent_.rng.Draw(16));
  job.set_kind(v1::JOB_KIND_BACKUP);
  const test::NoMoreThreads refuse;
  runner.Start(job);
  const v1::JobResult result = promise.get_future().get();
  EXPECT_EQ(result.error_code(), 1030u);
  EXPECT_EQ(static_cast<ErrorKind>(result.exit_code()), ErrorKind::kUnreachable);
}

}  // namespace
}  // namespace holdfast::daemon
