// A backup run between a made-up source and a controller in memory.
#pragma once

#include <gtest/gtest.h>

#include "agent/pipeline/backup_run.h"
#include "common/base/error.h"
#include "tests/support/fake_ingest_session.h"
#include "tests/support/fake_source.h"
#include "tests/support/temp_dir.h"

namespace holdfast::pipeline {

class BackupRunTest : public testing::Test {
 protected:
  using Files = std::map<std::string, Bytes, PathLess>;

  BackupRunTest() {
    keys_ = {agent_.identity, agent_.signing, agent_.recipient, agent_.secrets,
             agent_.owner.public_key};
    source_.files = {{"big", agent_.rng.Draw(3 << 20)},
                     {"dir/a", agent_.rng.Draw(5000)},
                     {"dir/b", Bytes(200000, 'b')},
                     {"dir/empty", ""}};
  }

  BackupRun::Options Options() {
    return {Env{RealClock(), agent_.rng, RealFileSystem()},
            &keys_,
            directory_ / "uploads.last",
            directory_ / "recipients.version",
            source_id_,
            "uploads",
            2,
            [this](std::uint64_t seq) {
              ++opened_from_controller_;
              return Open(seq, agent_.recipient);
            }};
  }
  absl::StatusOr<BackupReport> Run(test::FakeIngestSession& session, std::stop_token stop = {}) {
    RunProgress progress;
    return BackupRun(Options()).Run(source_, session, progress, stop);
  }
  absl::StatusOr<BackupReport> Run() {
    test::FakeIngestSession session(controller_);
    return Run(session);
  }

  absl::StatusOr<OpenedSnapshot> Open(std::uint64_t seq, const KeyPair& key) {
    return OpenSnapshot(controller_.Documents(seq), {source_id_, seq}, agent_.owner.public_key, key,
                        std::shared_ptr<ChunkFetcher>(&controller_, [](ChunkFetcher*) {}));
  }
  // Every file of a snapshot, read with the recovery key.
  Files Restored(std::uint64_t seq) {
    Files files;
    const auto opened = Open(seq, agent_.recovery);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) return files;
    std::vector<Entry> entries;
    EXPECT_TRUE(opened->view
                    ->ForEachEntry([&](const Entry& entry) {
                      if (entry.type == EntryType::kFile) entries.push_back(entry);
                      return absl::OkStatus();
                    })
                    .ok());
    for (const Entry& entry : entries) {
      const auto content = ReadAll(*opened->view, entry);
      EXPECT_TRUE(content.ok()) << content.status();
      if (content.ok()) files[entry.path] = *content;
    }
    return files;
  }
  void ExpectRestores(std::uint64_t seq, const Files& files) {
    EXPECT_TRUE(Restored(seq) == files) << "snapshot " << seq << " does not restore";
  }
  void ForgetState() { ASSERT_TRUE(RealFileSystem().Remove(directory_ / "uploads.last").ok()); }

  test::TempDir directory_;
  test::AgentDomain agent_{77};
  test::FakeController controller_{agent_};
  test::FakeSource source_;
  AgentKeys keys_;
  const SourceId source_id_ = agent_.Source("uploads");
  int opened_from_controller_ = 0;
};

}  // namespace holdfast::pipeline
