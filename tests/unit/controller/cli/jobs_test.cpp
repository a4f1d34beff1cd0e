// Goal:   backup, restore and verify ask for exactly what was typed, follow it to the end through a
//         lost connection and Ctrl-C, and exit with the most serious result.
// Method: a fake controller plays scripted watches; sleeping advances a manual clock.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;
using test::FakeClient;

constexpr char kReport[] =
    R"({"content_bytes":1000,"new_bytes":2,"seconds":2.1,"summary":"12 tables"})";

JobResult Done(const Bytes& id, std::uint32_t exit_code = 0, const std::string& message = "") {
  return {id,     exit_code, exit_code == 0 ? 0u : 2114u, message, exit_code == 0 ? "" : "grant it",
          kReport};
}

class JobsTest : public CliTest {
 protected:
  JobsTest() {
    db_ = client_->AddSource("db", "postgres");
    uploads_ = client_->AddSource("uploads", "files", "web-1");
    cache_ = client_->AddSource("cache", "redis", "cache-1");
    client_->AddSummary("db", 57, 1'767'736'800'000);
    client_->AddSummary("uploads", 41, 1'767'736'800'000);
    client_->AddSummary("cache", 9, 1'767'736'800'000);
  }
  void Play(std::vector<JobEvent> events, absl::Status status = absl::OkStatus(),
            std::function<void()> then = nullptr) {
    client_->watches.push_back({std::move(events), std::move(status), std::move(then)});
  }
  SourceId db_, uploads_, cache_;
};

TEST_F(JobsTest, BackupOfEverythingAndOfTheNamed) {
  Play({Done("job-1"), Done("job-2"), Done("job-3")});
  EXPECT_EQ(Run({"backup"}), 0) << err();
  ASSERT_EQ(client_->backups.size(), 1u);
  EXPECT_EQ(client_->backups[0].size(), 3u);
  EXPECT_NE(err().find("db: 1000 B   new 2 B (0.2 %)   done in 2.1 s   12 tables\n"),
            std::string::npos)
      << err();
  EXPECT_EQ(out(), "");

  Play({Done("job-1")});
  EXPECT_EQ(Run({"backup", "uploads", "uploads"}), 0);
  EXPECT_EQ(client_->backups[1], std::vector<SourceId>{uploads_});
  EXPECT_EQ(Run({"backup", "db", "nothing"}), 6);
  EXPECT_EQ(client_->backups.size(), 2u) << "one wrong name starts nothing";
}

TEST_F(JobsTest, TheMostSeriousResultIsTheExitCode) {
  Play({Done("job-1", 10, "unable to back up source 'db': no rights"), Done("job-2", 3, "left out"),
        Done("job-3")});
  EXPECT_EQ(Run({"backup"}), 10);
  EXPECT_NE(
      err().find("error: unable to back up source 'db': no rights\nhint: grant it   (HF-2114)"),
      std::string::npos)
      << err();
}

TEST_F(JobsTest, JsonIsOneEventPerLine) {
  JobProgress progress;
  progress.job_id = "job-1";
  progress.step = "reading";
  progress.bytes_done = 7;
  Play({progress, Done("job-1", 3, "some left out")});
  EXPECT_EQ(Run({"backup", "db", "--json"}), 3);
  std::istringstream lines(out());
  std::vector<Json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(ParsedJson(line));
  ASSERT_EQ(events.size(), 2u) << out();
  EXPECT_EQ(events[0]["bytes_done"], 7);
  EXPECT_EQ(events[1]["event"], "result");
  EXPECT_EQ(events[1]["exit"], 3);
  EXPECT_EQ(events[1]["report"]["summary"], "12 tables");
  EXPECT_EQ(ParsedJson(err())["error"]["exit"], 3);
}

TEST_F(JobsTest, ALostWatchIsTakenUpAgainForWhatIsOpen) {
  Play({Done("job-1")}, FakeClient::Away());
  Play({}, FakeClient::Away());
  Play({Done("job-2"), Done("job-3")});
  EXPECT_EQ(Run({"backup"}), 0) << err();
  ASSERT_EQ(client_->watched.size(), 3u);
  EXPECT_EQ(client_->watched[0].size(), 3u);
  EXPECT_EQ(client_->watched[1], (std::vector<Bytes>{"job-2", "job-3"}));
  EXPECT_EQ(clock_.slept, (std::vector<absl::Duration>{absl::Seconds(1), absl::Seconds(2)}));
}

TEST_F(JobsTest, AWatchThatEndsEarlyIsTakenUpToo) {
  Play({Done("job-1")});
  Play({Done("job-2"), Done("job-3")});
  EXPECT_EQ(Run({"backup"}), 0) << err();
}

TEST_F(JobsTest, AControllerThatStaysAwayIsGivenUp) {
  EXPECT_EQ(Run({"backup"}), 8);
  EXPECT_NE(err().find("holdfast status"), std::string::npos);
  EXPECT_GT(clock_.monotonic, absl::Minutes(5));
  EXPECT_LT(clock_.monotonic, absl::Minutes(6));
}

TEST_F(JobsTest, AJobTheControllerDoesNotKnowEndsTheWatch) {
  Play({}, Error(ErrorKind::kNotFound, 5010, "no such job"));
  EXPECT_EQ(Run({"backup"}), 6);
  EXPECT_EQ(client_->watched.size(), 1u);
}

TEST_F(JobsTest, CtrlCInAScriptLeavesTheJobAlone) {
  Play({}, absl::OkStatus(), [&] { interrupts_.back().Press(); });
  EXPECT_EQ(Run({"backup", "db"}), 1);
  EXPECT_NE(err().find("the jobs go on"), std::string::npos);
  EXPECT_TRUE(client_->cancelled.empty());
}

TEST_F(JobsTest, OneCtrlCLeavesTwoCancel) {
  terminal_.input = true;
  Play({}, absl::OkStatus(), [&] { interrupts_.back().Press(); });
  EXPECT_EQ(Run({"backup", "db"}), 1);
  EXPECT_EQ(clock_.slept, std::vector<absl::Duration>{absl::Seconds(5)});
  EXPECT_TRUE(client_->cancelled.empty());

  client_->watches.clear();
  Play({}, absl::OkStatus(), [&] { interrupts_.back().Press(); });
  Play({Done("job-1", 1, "the backup was cancelled")});
  clock_.on_sleep = [&] { interrupts_.back().Press(); };
  EXPECT_EQ(Run({"backup", "db"}), 1);
  EXPECT_EQ(client_->cancelled, std::vector<Bytes>{"job-1"});
  EXPECT_NE(err().find("the backup was cancelled"), std::string::npos);
}

TEST_F(JobsTest, RestoreOfFiles) {
  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "uploads@41", "--target", "/srv/restore", "--on", "web-2", "--path",
                 "a", "--path", "b/*", "--overwrite", "changed", "--skip-bad", "--numeric-ids"}),
            0)
      << err();
  ASSERT_EQ(client_->restores.size(), 1u);
  const auto& [target, options] = client_->restores[0];
  EXPECT_EQ(target.source_id, uploads_);
  EXPECT_EQ(target.seq, 41u);
  EXPECT_EQ(target.agent_name, "web-2");
  EXPECT_EQ(options.target, "/srv/restore");
  EXPECT_EQ(options.paths, (std::vector<std::string>{"a", "b/*"}));
  EXPECT_EQ(options.overwrite, Overwrite::kChanged);
  EXPECT_TRUE(options.skip_bad);
  EXPECT_TRUE(options.numeric_ids);
  EXPECT_FALSE(options.preserve_privileged);
}

TEST_F(JobsTest, RestoreOfDatabases) {
  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "db", "--database", "shop_restored", "--no-globals"}), 0) << err();
  EXPECT_EQ(client_->restores.back().second.database, "shop_restored");
  EXPECT_EQ(client_->restores.back().first.seq, 57u);
  EXPECT_TRUE(client_->restores.back().second.no_globals);

  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "db@57", "--table", "public.orders", "--into-table", "public.copy"}),
            0);
  EXPECT_EQ(client_->restores.back().second.table, "public.orders");
  EXPECT_EQ(client_->restores.back().second.into_table, "public.copy");

  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "db", "--sql", "/tmp/db.sql"}), 0);
  EXPECT_EQ(client_->restores.back().second.target, "/tmp/db.sql");
  EXPECT_TRUE(client_->restores.back().second.as_sql);

  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "cache", "--rdb", "/tmp/dump.rdb"}), 0);
  EXPECT_EQ(client_->restores.back().second.target, "/tmp/dump.rdb");
  EXPECT_FALSE(client_->restores.back().second.as_sql);

  Play({Done("job-1")});
  EXPECT_EQ(Run({"restore", "cache", "--into-server", "--apply-acl", "--connection", "spare"}), 0);
  EXPECT_TRUE(client_->restores.back().second.into_server);
  EXPECT_EQ(client_->restores.back().second.connection, "spare");
}

TEST_F(JobsTest, OptionsOfAnotherKindAreRefusedBeforeAnythingStarts) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"uploads"},
                                             {"uploads", "--target", "relative"},
                                             {"uploads", "--target", "/x", "--database", "y"},
                                             {"uploads", "--target", "/x", "--rdb", "/y"},
                                             {"db"},
                                             {"db", "--target", "/x"},
                                             {"db", "--database", "x", "--sql", "/y"},
                                             {"db", "--into-table", "x"},
                                             {"db", "--sql", "relative.sql"},
                                             {"db", "--database", "x", "--path", "y"},
                                             {"cache"},
                                             {"cache", "--rdb", "/x", "--into-server"},
                                             {"cache", "--target", "/x"},
                                             {"cache", "--into-server", "--on", "../x"}}) {
    std::vector<std::string> all = {"restore"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(Run(all), 2) << arguments.back();
  }
  EXPECT_TRUE(client_->restores.empty());
}

TEST_F(JobsTest, ARestoreThatDiffersExitsFiveAndLists) {
  JobResult result = Done("job-1", 5, "restored, but 1 item differs");
  result.report_json = R"({"restored_entries":3,"mismatches":[{"path":"a","reason":"size"}]})";
  Play({result});
  EXPECT_EQ(Run({"restore", "uploads", "--target", "/srv/x"}), 5);
  EXPECT_NE(err().find("differs: a: size"), std::string::npos) << err();
}

TEST_F(JobsTest, Verify) {
  Play({Done("job-1")});
  EXPECT_EQ(Run({"verify", "db@57", "--sample-percent", "10", "--on", "drill-1"}), 0);
  EXPECT_EQ(client_->verifies[0].first.seq, 57u);
  EXPECT_EQ(client_->verifies[0].first.agent_name, "drill-1");
  EXPECT_EQ(client_->verifies[0].second, 10u);
  Play({Done("job-1", 5, "2 chunks are damaged")});
  EXPECT_EQ(Run({"verify", "db"}), 5);
  EXPECT_EQ(client_->verifies[1].second, 100u);
}

}  // namespace
}  // namespace holdfast::cli
