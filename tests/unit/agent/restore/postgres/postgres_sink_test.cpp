// Goal: what was asked for is checked before anything is touched, and a script is only there when
// its rows are those of the snapshot.
#include "agent/restore/postgres/postgres_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agent/restore/postgres/stored_database.h"

namespace holdfast::restore {
namespace {

using testing::HasSubstr;

class SilentProgress final : public RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

class PostgresSinkTest : public testing::Test {
 protected:
  PostgresSinkTest() {
    stored_.AddPart("t", {0, 1}, "1\n2\n");
    options_.database = "shop";
  }

  absl::Status Restore(std::stop_token stop = {}) {
    SilentProgress progress;
    return RestorePostgres(stored_.snapshot, options_, progress, std::move(stop)).status();
  }
  void ExpectUsage(const std::string& words) {
    const absl::Status status = Restore();
    EXPECT_EQ(KindOf(status), ErrorKind::kUsage) << status;
    EXPECT_EQ(CodeOf(status), 3108);
    EXPECT_THAT(MessageOf(status), HasSubstr(words));
  }

  StoredDatabase stored_;
  PostgresRestoreOptions options_;
  test::TempDir directory_;
};

TEST_F(PostgresSinkTest, ASnapshotOfSomethingElseIsRefused) {
  stored_.snapshot.Finish({}, "redis");
  ExpectUsage("unable to restore a snapshot of kind 'redis' into PostgreSQL");
}

TEST_F(PostgresSinkTest, WhatDoesNotFitTogetherIsRefused) {
  options_.database = "";
  ExpectUsage("no name was given");
  options_.database = std::string(64, 'n');
  ExpectUsage("longer than 63 bytes");
  options_.database = "shop";
  options_.into_table = "other";
  ExpectUsage("unable to rename a table when none was chosen");
  options_.table = "t";
  options_.sql_file = directory_ / "file.sql";
  ExpectUsage("unable to write a script of one table only");
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(PostgresSinkTest, ASnapshotWithoutItsScriptsIsDamaged) {
  options_.sql_file = directory_ / "file.sql";
  stored_.snapshot.mutable_entries().erase("post-data.sql");
  const absl::Status status = Restore();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 3110);
  EXPECT_THAT(MessageOf(status), HasSubstr("the snapshot has no 'post-data.sql'"));
}

TEST_F(PostgresSinkTest, AScriptThatIsTooLargeIsNotRead) {
  stored_.snapshot.mutable_entries().at("pre-data.sql").content_bytes = (1u << 30) + 1;
  const absl::Status status = Restore();
  EXPECT_EQ(CodeOf(status), 3112) << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("'pre-data.sql' has more than 1 GiB"));
}

TEST_F(PostgresSinkTest, AScriptOfRowsThatDifferIsRemoved) {
  options_.sql_file = directory_ / "file.sql";
  ASSERT_TRUE(Restore().ok());
  EXPECT_THAT(RealFileSystem().ReadFile(options_.sql_file).value(), HasSubstr("1\n2\n\\.\n"));
  std::filesystem::remove(options_.sql_file);

  auto& entry = stored_.snapshot.mutable_entries().at(source::TablePath("s", "t", 0));
  entry.row_checksum[0] ^= 1;
  const absl::Status status = Restore();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 3111);
  EXPECT_THAT(MessageOf(status), HasSubstr("unable to write the rows of 's.t'"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << "no half of a script";
}

TEST_F(PostgresSinkTest, AStopLeavesNoHalfOfAScript) {
  options_.sql_file = directory_ / "file.sql";
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(CodeOf(Restore(stop.get_token())), 3107);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

}  // namespace
}  // namespace holdfast::restore
