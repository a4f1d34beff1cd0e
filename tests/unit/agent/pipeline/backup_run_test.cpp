// Goal: a run that says it is committed can be restored byte by byte with the recovery key; one
// that cannot be is not reported as done.
#include "tests/unit/agent/pipeline/backup_run_fixture.h"

namespace holdfast::pipeline {
namespace {

TEST_F(BackupRunTest, ACommittedRunRestores) {
  source_.abandoned = {"dir/b"};
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 1u);
  EXPECT_EQ(report->snapshot_id, RecordHash(controller_.snapshots.at(0).record));
  EXPECT_EQ(report->entry_count, 5u);
  EXPECT_EQ(report->content_bytes, (3u << 20) + 205000u);
  EXPECT_FALSE(report->partial);
  EXPECT_EQ(report->summary, "some files");
  EXPECT_EQ(report->notes, std::vector<std::string>{"a note"});
  ExpectRestores(1, source_.files);

  const auto opened = Open(1, agent_.recovery).value();
  EXPECT_EQ(opened.view->info().source_name, "uploads");
  EXPECT_EQ(opened.view->info().kind, "files");
  EXPECT_EQ(opened.view->info().position, "0/16B3748");
  EXPECT_EQ(opened.view->info().attributes.at("version"), "1");
  EXPECT_EQ(opened.view->Find("dir/a")->mode, 0640u);
  const std::vector<ChunkId> references = ReferencedChunks(opened).value();
  EXPECT_EQ(std::set<ChunkId>(references.begin(), references.end()),
            controller_.snapshots[0].references);
  EXPECT_EQ(Open(1, agent_.recipient).status(), absl::OkStatus()) << "the agent reads its own";
}

TEST_F(BackupRunTest, AnUnchangedSourceSendsNothingButTheManifest) {
  ASSERT_TRUE(Run().ok());
  const auto files = source_.files;
  source_.read_count = 0;
  test::FakeIngestSession session(controller_);
  const auto report = Run(session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 2u);
  EXPECT_EQ(source_.read_count, 0u);
  EXPECT_EQ(source_.reused_count, 4u);
  EXPECT_TRUE(session.sent.empty()) << "the manifest did not change either";
  EXPECT_EQ(report->new_bytes, 0u);
  EXPECT_EQ(opened_from_controller_, 0) << "the state file was not used";
  EXPECT_EQ(controller_.snapshots[0].references, controller_.snapshots[1].references);
  ExpectRestores(1, files);
  ExpectRestores(2, files);
}

TEST_F(BackupRunTest, AChangeCostsItsChunkAndEarlierSnapshotsStay) {
  ASSERT_TRUE(Run().ok());
  const auto first = source_.files;
  source_.files["dir/a"] = "changed";
  source_.files["dir/new"] = "new";
  source_.files.erase("dir/b");
  test::FakeIngestSession session(controller_);
  const auto report = Run(session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_LE(session.sent.size(), 2u) << "one content chunk and one of the manifest";
  EXPECT_LT(report->new_bytes, 10000u);
  ExpectRestores(1, first);
  ExpectRestores(2, source_.files);
}

TEST_F(BackupRunTest, ReferenceListsAreDifferencesAndFullEvery16th) {
  for (std::uint64_t seq = 1; seq <= 18; ++seq) {
    source_.files["counter"] = std::to_string(seq);
    ASSERT_TRUE(Run().ok()) << seq;
    EXPECT_EQ(controller_.snapshots.back().full_list, seq == 1 || seq == 17) << seq;
    // What the differences add up to is what the snapshot names.
    const auto opened = Open(seq, agent_.recovery).value();
    const std::vector<ChunkId> references = ReferencedChunks(opened).value();
    EXPECT_EQ(std::set<ChunkId>(references.begin(), references.end()),
              controller_.snapshots.back().references)
        << seq;
  }
  ExpectRestores(18, source_.files);
}

TEST_F(BackupRunTest, ADifferenceThatDoesNotFitIsFollowedByAFullList) {
  ASSERT_TRUE(Run().ok());
  source_.files["counter"] = "2";
  test::FakeIngestSession refusing(controller_);
  refusing.refuse_commit = Error(ErrorKind::kConflict, 5024, "its list does not fit");
  EXPECT_EQ(CodeOf(Run(refusing).status()), 5024);
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(controller_.snapshots.at(1).full_list);
  ExpectRestores(2, source_.files);
  source_.files["counter"] = "3";
  ASSERT_TRUE(Run().ok());
  EXPECT_FALSE(controller_.snapshots.at(2).full_list);
}

TEST_F(BackupRunTest, WithoutTheStateFileThePreviousSnapshotIsReadFromTheController) {
  ASSERT_TRUE(Run().ok());
  ForgetState();
  source_.read_count = 0;
  test::FakeIngestSession session(controller_);
  ASSERT_TRUE(Run(session).ok());
  EXPECT_EQ(opened_from_controller_, 1);
  EXPECT_EQ(source_.read_count, 0u) << "what did not change is reused all the same";
  EXPECT_TRUE(session.sent.empty());
  ExpectRestores(2, source_.files);
}

TEST_F(BackupRunTest, ADamagedStateFileIsNoState) {
  ASSERT_TRUE(Run().ok());
  const std::string path = directory_ / "uploads.last";
  const Bytes good = RealFileSystem().ReadFile(path).value();
  // One flip in the number, in the head's hash, in the references and in the entries.
  for (const std::size_t at :
       {std::size_t{8}, std::size_t{20}, std::size_t{60}, good.size() - 40}) {
    SCOPED_TRACE(at);
    Bytes bad = RealFileSystem().ReadFile(path).value();
    bad[at] = static_cast<char>(bad[at] ^ 1);
    ASSERT_TRUE(RealFileSystem().WriteAtomically(path, bad).ok());
    const auto report = Run();
    ASSERT_TRUE(report.ok()) << report.status();
    ExpectRestores(report->seq, source_.files);
  }
}

TEST_F(BackupRunTest, ChunksThatTheControllerLostAreReadAgainAndSent) {
  ASSERT_TRUE(Run().ok());
  const auto first = source_.files;
  // The controller lost every chunk of the content; the agent believes that it has them.
  const auto opened = Open(1, agent_.recovery).value();
  std::set<ChunkId> lost = controller_.snapshots[0].references;
  for (const Slice& slice : opened.facts.manifest) lost.erase(slice.chunk);
  ASSERT_FALSE(lost.empty());
  for (const ChunkId& id : lost) controller_.objects.erase(id);

  test::FakeIngestSession session(controller_);
  const auto report = Run(session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(session.commits, 2);
  EXPECT_EQ(std::set<ChunkId>(session.sent.begin(), session.sent.end()), lost);
  ExpectRestores(2, source_.files);
  ExpectRestores(1, first);
}

TEST_F(BackupRunTest, AControllerThatKeepsNothingIsAFailure) {
  test::FakeIngestSession session(controller_);
  session.drops_objects = true;
  const auto status = Run(session).status();
  EXPECT_EQ(CodeOf(status), 2015) << status;
  EXPECT_TRUE(controller_.snapshots.empty());
  EXPECT_FALSE(RealFileSystem().Exists(directory_ / "uploads.last"));
}

TEST_F(BackupRunTest, AFalseHaveIsFoundAtCommit) {
  test::FakeIngestSession session(controller_);
  bool lied = false;
  session.claims_to_have = [&](const ChunkId&) { return !std::exchange(lied, true); };
  const auto report = Run(session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(session.commits, 2);
  ExpectRestores(1, source_.files);
}

TEST_F(BackupRunTest, ASkipMakesThePartialSnapshot) {
  source_.skipped = {{"dir/gone", "vanished while it was read"}};
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->partial);
  EXPECT_EQ(report->problem_count, 1u);
  EXPECT_TRUE(ParseRecord(controller_.snapshots.at(0).record)->partial);
  const auto opened = Open(1, agent_.recovery).value();
  ASSERT_EQ(opened.view->info().problems.size(), 1u);
  EXPECT_EQ(opened.view->info().problems[0].path, "dir/gone");
  ExpectRestores(1, source_.files);
}

TEST_F(BackupRunTest, ASourceThatFailsCommitsNothing) {
  ASSERT_TRUE(Run().ok());
  const auto first = source_.files;
  source_.files["dir/a"] = "changed";
  source_.fail = Error(ErrorKind::kSource, 2101, "the connection was lost");
  test::FakeIngestSession session(controller_);
  const auto status = Run(session).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kSource);
  EXPECT_EQ(CodeOf(status), 2101);
  EXPECT_EQ(session.commits, 0);
  EXPECT_EQ(controller_.snapshots.size(), 1u);
  source_.fail = absl::OkStatus();
  source_.check = Error(ErrorKind::kUnreachable, 2100, "no server");
  EXPECT_EQ(CodeOf(Run().status()), 2100) << "a source that cannot start";
  source_.check = absl::OkStatus();
  EXPECT_EQ(Run()->seq, 2u);
  ExpectRestores(1, first);
  ExpectRestores(2, source_.files);
}

TEST_F(BackupRunTest, AStopCommitsNothing) {
  std::stop_source stop;
  source_.before_read = [&] { stop.request_stop(); };
  test::FakeIngestSession session(controller_);
  EXPECT_EQ(CodeOf(Run(session, stop.get_token()).status()), 2010);
  EXPECT_EQ(session.commits, 0);
}

TEST_F(BackupRunTest, ARunThatWasCommittedBeforeIsNotDoneAgain) {
  ASSERT_TRUE(Run().ok());
  test::FakeIngestSession session(controller_);
  session.already_committed = Committed{1, RecordHash(controller_.snapshots[0].record), 5, 6};
  source_.read_count = 0;
  const auto report = Run(session);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 1u);
  EXPECT_EQ(report->snapshot_id, RecordHash(controller_.snapshots[0].record));
  EXPECT_EQ(session.commits, 0);
  EXPECT_EQ(source_.read_count, 0u);
}

}  // namespace
}  // namespace holdfast::pipeline
