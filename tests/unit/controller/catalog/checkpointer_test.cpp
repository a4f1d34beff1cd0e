// Goal: SQLite's log begins anew again and again, also while there is always somebody who reads an
// older state, and nothing that was committed is lost by that.
#include "controller/catalog/checkpointer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/support/temp_dir.h"

namespace holdfast::catalog {
namespace {

constexpr std::int64_t kRows = 2'000;
constexpr int kTransactions = 1'200;
constexpr int kRowsInOne = 64;
constexpr std::size_t kRowBytes = 4'000;  // about a page: 300 MB are written in all
constexpr std::uintmax_t kLogBytes = 160u << 20;

std::unique_ptr<SqliteDb> OpenDb(const std::string& path, SqliteDb::Mode mode) {
  auto db = SqliteDb::Open(path, mode);
  EXPECT_TRUE(db.ok()) << db.status();
  return *std::move(db);
}

// Two readers take turns, and each begins before the other one ends.
void ReadAlways(const std::string& path, const std::stop_token& stop) {
  const auto first = OpenDb(path, SqliteDb::Mode::kReader);
  const auto second = OpenDb(path, SqliteDb::Mode::kReader);
  std::optional<Transaction> other;
  for (bool odd = false; !stop.stop_requested(); odd = !odd) {
    SqliteDb& db = odd ? *first : *second;
    auto transaction = Transaction::BeginRead(db);
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    EXPECT_EQ(db.Number("SELECT count(*) FROM t").value(), kRows);
    other.reset();
    other.emplace(*std::move(transaction));
  }
}

TEST(CheckpointerTest, TheLogBeginsAnewWhileSomebodyAlwaysReads) {
  test::TempDir directory;
  const std::string path = directory / "test.db";
  std::ofstream(path).close();
  FairMutex writers;
  const auto db = OpenDb(path, SqliteDb::Mode::kWriter);
  Checkpointer checkpointer(path, writers);
  db->OnLargeLog([&] { checkpointer.Wake(); });
  ASSERT_TRUE(db->Execute("CREATE TABLE t(id INTEGER PRIMARY KEY, version INT, b BLOB)").ok());
  const Bytes row(kRowBytes, 'x');
  const auto write = [&](std::int64_t begin, std::int64_t end, int version) {
    const std::lock_guard lock(writers);
    auto transaction = Transaction::BeginWrite(*db);
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    for (std::int64_t id = begin; id < end; ++id) {
      ASSERT_TRUE(db->Run("INSERT OR REPLACE INTO t VALUES(?1,?2,?3)", id, version, row).ok());
    }
    ASSERT_TRUE(transaction->Commit().ok());
  };
  write(0, kRows, 0);
  std::jthread reading([&](const std::stop_token& stop) { ReadAlways(path, stop); });
  std::uintmax_t largest = 0;
  for (int i = 1; i <= kTransactions; ++i) {
    const std::int64_t begin = i * kRowsInOne % (kRows - kRowsInOne);
    write(begin, begin + kRowsInOne, i);
    largest = std::max(largest, std::filesystem::file_size(path + "-wal"));
  }
  reading.request_stop();
  reading.join();
  EXPECT_LT(largest, kLogBytes);
  EXPECT_EQ(db->Number("SELECT max(version) FROM t").value(), kTransactions);
  EXPECT_EQ(db->Number("SELECT count(*) FROM t").value(), kRows);
}

}  // namespace
}  // namespace holdfast::catalog
