// Goal: a table read, stored, restored and read back in parts is the table: the same bytes as in
//       one piece, whatever holes it has, and nothing less when one part fails.
// Method: parts of four pages; the same database is backed up by one worker too, which reads every
//         table whole by COPY, without a query.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/source/postgres/catalog.h"
#include "agent/source/postgres/row_checksum.h"
#include "agent/source/postgres/table_reader.h"
#include "common/base/error.h"
#include "tests/contract/postgres/postgres_fixture.h"

namespace holdfast::test {
namespace {

constexpr std::uint64_t kFewPages = 4;

// "ledger" has eight parts, a dropped and a generated column, values in TOAST, no row left in its
// first and in some later parts; "plain" is only long; the partitions are below a range and a hash.
constexpr char kSchema[] = R"(
CREATE TABLE ledger (gone int, id int PRIMARY KEY, "odd name" text, note text, big text,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE ledger ALTER big SET STORAGE EXTERNAL;
INSERT INTO ledger (gone, id, "odd name", note, big) SELECT 1, i, CASE WHEN i % 3 > 0 THEN
  E'tab\t back\\ line\n end\r' END, repeat('x', 300),
  CASE WHEN i % 100 = 0 THEN repeat(md5(i::text), 200) END FROM generate_series(1, 700) i;
ALTER TABLE ledger DROP gone;
DELETE FROM ledger WHERE ctid < '(5,0)' OR ctid BETWEEN '(12,0)' AND '(21,0)' OR id % 7 = 0;
CREATE TABLE plain (a int, b text);
INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 5000) i;
CREATE TABLE days (day int, note text) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (3000);
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (3000) TO (9000);
INSERT INTO days SELECT i, 'day ' || i FROM generate_series(1, 6000) i;
CREATE TABLE spread (a int, note text) PARTITION BY HASH (a);
CREATE TABLE spread_0 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE spread_1 PARTITION OF spread FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO spread SELECT i, 'spread ' || i FROM generate_series(1, 6000) i;
CREATE TABLE empty_rows ();
INSERT INTO empty_rows SELECT FROM generate_series(1, 9000);
CREATE TABLE parent (a int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT generate_series(1, 5000);
INSERT INTO child SELECT generate_series(5001, 5009);
)";

class PartsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    server_->Sql("postgres", "CREATE DATABASE shop");
    server_->Sql("shop", kSchema);
  }
  static void TearDownTestSuite() { delete server_; }

  static void Take(MemorySnapshot& snapshot, int workers = 3) {
    source::PostgresOptions options = SourceOptions(*server_, "shop");
    options.pages_per_part = kFewPages;
    options.workers = workers;
    const auto result = Backup(options, snapshot);
    ASSERT_TRUE(result.ok()) << Render(result.status());
  }

  static restore::PostgresRestoreOptions InParts(const std::string& database) {
    auto options = RestoreOptions(*server_, database);
    options.pages_per_part = kFewPages;
    options.workers = 3;
    return options;
  }

  static std::vector<std::string> PathsOf(const MemorySnapshot& snapshot,
                                          const std::string& table) {
    std::vector<std::string> paths;
    for (const auto& [path, entry] : snapshot.entries()) {
      if (path.starts_with("data/public." + table + ".copy")) paths.push_back(path);
    }
    return paths;
  }

  static Bytes RowsOf(const MemorySnapshot& snapshot, const std::string& table) {
    Bytes rows;
    for (const std::string& path : PathsOf(snapshot, table)) rows += snapshot.ContentOf(path);
    return rows;
  }

  static source::RowChecksum SumOf(const MemorySnapshot& snapshot, const std::string& table) {
    source::RowChecksum sum;
    for (const std::string& path : PathsOf(snapshot, table)) {
      const Entry& entry = snapshot.entries().at(path);
      EXPECT_TRUE(sum.AddStored(entry.rows.value(), entry.row_checksum));
    }
    return sum;
  }

  static void ExpectComesBack(const MemorySnapshot& snapshot) {
    const auto report = Restore(snapshot, InParts("again"));
    ASSERT_TRUE(report.ok()) << Render(report.status());
    EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
    EXPECT_EQ(server_->Rows("shop"), server_->Rows("again"));
    EXPECT_EQ(server_->Schema("shop"), server_->Schema("again"));
    server_->Sql("postgres", "DROP DATABASE again");
  }

  static PostgresServer* server_;
};
PostgresServer* PartsTest::server_ = nullptr;

TEST_F(PartsTest, HaveTheBytesOfTheWholeTable) {
  MemorySnapshot whole;
  MemorySnapshot parts;
  Take(whole, 1);
  Take(parts);
  for (const char* table : {"ledger", "plain", "days_1", "days_2", "spread_0", "spread_1", "parent",
                            "child", "empty_rows"}) {
    EXPECT_EQ(PathsOf(whole, table).size(), 1u) << table;
    EXPECT_EQ(RowsOf(whole, table), RowsOf(parts, table)) << table;
    EXPECT_EQ(SumOf(whole, table), SumOf(parts, table)) << table;
  }
  EXPECT_EQ(PathsOf(parts, "ledger").size(), 8u);
  EXPECT_EQ(parts.ContentOf("data/public.ledger.copy"), "") << "a part may be empty";
  EXPECT_EQ(parts.entries().at("data/public.ledger.copy.000004").rows, 0u);
  EXPECT_GT(PathsOf(parts, "spread_0").size(), 2u);
  EXPECT_GT(PathsOf(parts, "parent").size(), 2u) << "without the rows of its child";
  EXPECT_EQ(PathsOf(parts, "empty_rows").size(), 1u) << "no column to select";
}

TEST_F(PartsTest, UnchangedDataHasTheSamePartsAndNewRowsChangeTheLastOnly) {
  MemorySnapshot first;
  MemorySnapshot second;
  Take(first);
  server_->Sql("shop", "INSERT INTO plain SELECT 0, 'new' FROM generate_series(1, 1500)");
  Take(second);
  const std::vector<std::string> before = PathsOf(first, "plain");
  ASSERT_GT(PathsOf(second, "plain").size(), before.size());
  for (const auto& [path, entry] : first.entries()) {
    if (path == before.back()) continue;
    EXPECT_EQ(second.entries().at(path).content_hash, entry.content_hash) << path;
  }
}

TEST_F(PartsTest, ComeBackAsOneTable) {
  MemorySnapshot parts;
  Take(parts);
  ExpectComesBack(parts);
  MemorySnapshot whole;  // as it was taken before there were parts
  Take(whole, 1);
  ExpectComesBack(whole);
}

TEST_F(PartsTest, OneTableAndTheScriptHaveAllParts) {
  MemorySnapshot parts;
  Take(parts);
  auto options = InParts("shop");
  options.table = "ledger";
  options.into_table = "ledger_again";
  const auto table = Restore(parts, options);
  ASSERT_TRUE(table.ok()) << Render(table.status());
  EXPECT_TRUE(restore::StatusOf(*table).ok()) << Render(restore::StatusOf(*table));
  EXPECT_EQ(server_->Sql("shop",
                         "SELECT count(*) FROM (SELECT * FROM ledger EXCEPT SELECT * FROM "
                         "ledger_again) d"),
            "0\n");
  EXPECT_EQ(server_->Sql("shop", "SELECT count(*) FROM ledger"),
            server_->Sql("shop", "SELECT count(*) FROM ledger_again"));
  server_->Sql("shop", "DROP TABLE ledger_again");

  TempDir directory;
  auto to_file = InParts("");
  to_file.sql_file = directory / "database.sql";
  const auto script = Restore(parts, to_file);
  ASSERT_TRUE(script.ok()) << Render(script.status());
  server_->Sql("postgres", "CREATE DATABASE from_file TEMPLATE template0");
  server_->LoadFile("from_file", to_file.sql_file);
  EXPECT_EQ(server_->Rows("shop"), server_->Rows("from_file"));
}

TEST_F(PartsTest, OneThatFailsOrDiffersStopsTheRestoreAndLeavesNothing) {
  const std::string part = "data/public.plain.copy.000003";
  MemorySnapshot parts;
  Take(parts);
  parts.mutable_entries().at(part).row_checksum[15] ^= 1;
  const auto differs = Restore(parts, InParts("again"));
  ASSERT_TRUE(differs.ok()) << Render(differs.status());
  ASSERT_EQ(differs->mismatches.size(), 1u);
  EXPECT_EQ(differs->mismatches[0].path, "public.plain");
  EXPECT_FALSE(server_->HasDatabase("again"));

  parts.FailReadOf(part);
  EXPECT_EQ(ExitCodeOf(Restore(parts, InParts("again")).status()), 5);
  parts.mutable_entries().erase(part);
  EXPECT_EQ(CodeOf(Restore(parts, InParts("again")).status()), 3110);
  EXPECT_FALSE(server_->HasDatabase("again"));
  EXPECT_EQ(Leftovers(*server_), "");
}

// Without a TID range scan every part would read the whole table.
TEST_F(PartsTest, AServerThatWouldReadAllPagesForEachIsReadInOne) {
  server_->Sql("postgres", "ALTER DATABASE shop SET enable_tidscan = off");
  MemorySnapshot snapshot;
  Take(snapshot);
  server_->Sql("postgres", "ALTER DATABASE shop RESET enable_tidscan");
  EXPECT_EQ(PathsOf(snapshot, "plain").size(), 1u);
  MemorySnapshot again;
  Take(again);
  EXPECT_GT(PathsOf(again, "plain").size(), 1u);
}

// Pages are counted, then rows are read: what came between is in the last part.
TEST_F(PartsTest, ATableThatGrewSinceItsPagesWereCountedIsReadToItsEnd) {
  const source::PostgresConnection connection = ConnectionTo(*server_, "shop");
  const auto session = source::PgSession::Open(connection, {});
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").ok());
  const auto snapshot = (*session)->QueryValue("SELECT pg_export_snapshot()");
  ASSERT_TRUE(snapshot.ok());
  auto tables = source::ReadTables(**session, {});
  ASSERT_TRUE(tables.ok());
  std::erase_if(*tables, [](const source::TableFacts& table) { return table.name != "plain"; });
  ASSERT_EQ(tables->size(), 1u);
  ASSERT_GT(tables->front().heap_pages, 20u);
  tables->front().heap_pages = 10;
  const auto reads = source::PlanReads(**session, *tables, kFewPages);
  ASSERT_TRUE(reads.ok());
  ASSERT_EQ(reads->size(), 3u);
  MemorySnapshot taken;
  const source::TableReading reading{
      connection, *snapshot, "UTF8", *tables, *reads, 2, [] { return absl::OkStatus(); }};
  const auto rows =
      source::ReadTableRows(reading, taken, [](std::stop_token) { return absl::OkStatus(); }, {});
  ASSERT_TRUE(rows.ok()) << Render(rows.status());
  EXPECT_EQ(std::to_string(*rows) + "\n", server_->Sql("shop", "SELECT count(*) FROM plain"));
}

}  // namespace
}  // namespace holdfast::test
