// Goal: every way in which SQLite fails has its kind, and a hint where somebody can do something; a
// statement that is in use is not given out again.
#include "controller/catalog/sqlite.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"

namespace holdfast::catalog {
namespace {

class SqliteTest : public testing::Test {
 protected:
  SqliteTest() {
    std::ofstream(path_).close();
    db_ = SqliteDb::Open(path_, SqliteDb::Mode::kWriter).value();
    EXPECT_TRUE(db_->Execute("CREATE TABLE t(x)").ok());
  }
  absl::Status Insert(std::size_t bytes) {
    return db_->Run("INSERT INTO t(x) VALUES(?1)", Bytes(bytes, 'x'));
  }
  void ExpectRows(std::int64_t count) {
    EXPECT_EQ(db_->Number("SELECT count(*) FROM t").value(), count);
  }

  test::TempDir directory_;
  const std::string path_ = directory_ / "a.db";
  std::unique_ptr<SqliteDb> db_;
};

TEST_F(SqliteTest, AStatementInUseIsNotGivenOutAgain) {
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(Insert(2).ok());
  constexpr char kSelect[] = "SELECT length(x) FROM t ORDER BY rowid";
  Statement outer = db_->Prepare(kSelect).value();
  ASSERT_TRUE(outer.Step().value());
  {
    Statement inner = db_->Prepare(kSelect).value();
    ASSERT_TRUE(inner.Step().value());
    EXPECT_EQ(inner.Integer(0), 1);
  }
  ASSERT_TRUE(outer.Step().value());
  EXPECT_EQ(outer.Integer(0), 2) << "the inner one moved it";
}

TEST_F(SqliteTest, AnIdOfTheWrongLengthIsDamage) {
  ASSERT_TRUE(Insert(31).ok());
  Statement row = db_->Prepare("SELECT x FROM t").value();
  ASSERT_TRUE(row.Step().value());
  const absl::Status status = row.Id<ChunkId>(0).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 5001);
  EXPECT_EQ(HintOf(status), kDamagedHint);
}

TEST_F(SqliteTest, AFullDatabaseIsNoSpace) {
  ASSERT_TRUE(db_->Number("PRAGMA max_page_count=10").ok());
  const absl::Status status = Insert(1 << 20);
  EXPECT_EQ(KindOf(status), ErrorKind::kNoSpace) << status;
  EXPECT_EQ(CodeOf(status), 5004);
  ExpectRows(0);
}

TEST_F(SqliteTest, ALimitOnFilesIsNamedAndNoDiskError) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const struct rlimit limited { 200'000, before.rlim_max };
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const absl::Status status = Insert(1 << 20);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(CodeOf(status), 5004) << status;
  EXPECT_NE(MessageOf(status).find("File too large"), std::string::npos) << status;
  ExpectRows(0);
  EXPECT_TRUE(Insert(1 << 20).ok());
}

TEST_F(SqliteTest, WhatAnotherStatementReadsIsBusy) {
  ASSERT_TRUE(Insert(1).ok());
  Statement row = db_->Prepare("SELECT x FROM t").value();
  ASSERT_TRUE(row.Step().value());
  const absl::Status status = db_->Execute("DROP TABLE t");
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  EXPECT_EQ(CodeOf(status), 5006);
  EXPECT_TRUE(IsRetryable(status));
}

TEST_F(SqliteTest, AReaderWritesNothing) {
  const auto reader = SqliteDb::Open(path_, SqliteDb::Mode::kReader).value();
  const absl::Status status = reader->Run("INSERT INTO t(x) VALUES(1)");
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 5005);
  ExpectRows(0);
}

TEST_F(SqliteTest, ALargeLogGoesIntoTheDatabase) {
  constexpr std::size_t kLarge = 17 << 20;
  {
    Transaction transaction = Transaction::BeginWrite(*db_).value();
    ASSERT_TRUE(Insert(kLarge).ok());
    EXPECT_LT(std::filesystem::file_size(path_), kLarge);
    ASSERT_TRUE(transaction.Commit().ok());
  }
  EXPECT_GT(std::filesystem::file_size(path_), kLarge);
  ExpectRows(1);
}

}  // namespace
}  // namespace holdfast::catalog
