// Goal: the checksum depends on which rows there are and how often, not on order or pieces.
#include "agent/source/postgres/row_checksum.h"

#include <gtest/gtest.h>

#include "agent/source/postgres/connection.h"
#include "agent/source/postgres/database_facts.h"
#include "agent/source/postgres/dump_program.h"
#include "agent/source/transient.h"
#include "common/base/error.h"

namespace holdfast::source {
namespace {

RowChecksum Of(std::string_view text, std::size_t piece_bytes = 1000) {
  RowChecksum sum;
  RowSplitter splitter(sum);
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    splitter.Feed(text.substr(at, piece_bytes));
  }
  EXPECT_TRUE(splitter.AtRowEnd());
  return sum;
}

TEST(RowChecksumTest, OrderAndPiecesDoNotMatterDuplicatesDo) {
  EXPECT_EQ(Of("a\nb\nc\n"), Of("c\na\nb\n", 1));
  EXPECT_FALSE(Of("a\n") == Of("a\na\na\n"));
  EXPECT_NE(Of("a\na\n").bytes(), Of("b\nb\n").bytes());
  EXPECT_NE(Of("a\na\n").bytes(), Bytes(16, '\0')) << "duplicates must not cancel";
  EXPECT_EQ(Of("\n\n").rows(), 2u);
}

TEST(RowChecksumTest, PartsAddUpWithCarry) {
  RowChecksum all;
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    const std::string row = std::to_string(i) + "\n";
    text += row;
    const RowChecksum one = Of(row);
    ASSERT_TRUE(all.AddStored(one.rows(), one.bytes()));
  }
  EXPECT_EQ(all, Of(text));
  EXPECT_FALSE(all.AddStored(1, "short"));
}

TEST(RowChecksumTest, ARowCutShortIsNoticed) {
  RowChecksum sum;
  RowSplitter splitter(sum);
  splitter.Feed("a\nb");
  EXPECT_FALSE(splitter.AtRowEnd());
}

// The stored form is part of the format: XXH3-128 of the empty row, big-endian.
TEST(RowChecksumTest, StoredFormIsPinned) {
  EXPECT_EQ(ToHex(Of("\n").bytes()), "99aa06d3014798d86001c324468d497f");
}

TEST(TableEntryTest, DifferentTablesNeverShareAPath) {
  EXPECT_EQ(TablePath("app", "orders"), "data/app.orders.copy");
  EXPECT_NE(TablePath("a.b", "c"), TablePath("a", "b.c"));
  EXPECT_NE(TablePath("a", "b%2Ec"), TablePath("a", "b.c"));
  EXPECT_NE(TablePath("a", "x/y"), TablePath("a", "x%2Fy"));
  const std::string dots(63, '.');
  EXPECT_NE(TablePath(dots, dots), TablePath(dots, dots.substr(1) + "x"));
  for (const std::string& name : {dots, std::string(63, '\n'), std::string("..")}) {
    EXPECT_TRUE(ValidatePath(TablePath(name, name)).ok()) << name;
  }
}

TEST(TableEntryTest, AttributesCarryTheTable) {
  TableFacts table;
  table.schema = "s.";
  table.name = "t\"";
  table.columns = "\"a b\", c";
  table.root_schema = "s";
  table.root_name = "root";
  table.load_via_root = true;
  Entry entry = TableEntry(table);
  EXPECT_EQ(CodeOf(TableOf(entry).status()), 3110) << "a table without its checksum is no table";
  entry.rows = 0;
  entry.row_checksum = Bytes(16, '\0');
  const auto again = TableOf(entry);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(CopyInSql(*again, "UTF8", CopyMode::kPlain),
            "COPY \"s\".\"root\" (\"a b\", c) FROM STDIN (FORMAT text, ENCODING 'UTF8')");
  EXPECT_EQ(CopyOutSql(*again, "LATIN1"),
            "COPY \"s.\".\"t\"\"\" (\"a b\", c) TO STDOUT (FORMAT text, ENCODING 'LATIN1')");
  table.condition = "WHERE NOT builtin";
  EXPECT_EQ(
      CopyOutSql(table, "UTF8"),
      "COPY (SELECT \"a b\", c FROM ONLY \"s.\".\"t\"\"\" WHERE NOT builtin) TO STDOUT (FORMAT "
      "text, ENCODING 'UTF8')");
}

TEST(DatabaseFactsTest, DocumentsSurviveAndDamageIsAnError) {
  DatabaseFacts facts;
  facts.name = "näme";
  facts.settings = {{"role", "search_path", "a, b"}};
  facts.grants = {"GRANT CONNECT|TO \"x|y\""};
  const auto json = EncodeDatabase(facts);
  ASSERT_TRUE(json.ok());
  const auto again = DecodeDatabase(*json);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(EncodeDatabase(*again).value(), *json);
  EXPECT_EQ(KindOf(DecodeDatabase("{}").status()), ErrorKind::kIntegrity);
  EXPECT_EQ(KindOf(DecodeSequences("[{\"schema\": 1}]").status()), ErrorKind::kIntegrity);
  facts.name = "\xff";
  EXPECT_EQ(CodeOf(EncodeDatabase(facts).status()), 2116);
}

absl::Status Dump(const std::string& script) {
  return RunDump({"/bin/sh", {"-c", script}, {}}, [](ByteView) { return absl::OkStatus(); }, {});
}

TEST(RunDumpTest, AConnectionThatIsLostIsToldFromOtherFailures) {
  // What pg_dump prints: the reason, then the whole statement, which may be longer than any error.
  const absl::Status lost = Dump(
      "{ echo 'pg_dump: warning: there are circular foreign-key constraints on this table:';"
      "head -c 900 /dev/zero | tr '\\0' w; echo;"
      "echo 'pg_dump: error: query failed: server closed the connection unexpectedly';"
      "echo 'pg_dump: detail: Query was: SELECT'; head -c 9000 /dev/zero | tr '\\0' q; } >&2;"
      "exit 1");
  EXPECT_EQ(CodeOf(lost), 2106);
  EXPECT_TRUE(IsTransient(lost)) << lost;
  const absl::Status other = Dump("echo 'pg_dump: error: permission denied' >&2; exit 1");
  EXPECT_EQ(CodeOf(other), 2106);
  EXPECT_FALSE(IsTransient(other)) << other;
  EXPECT_NE(MessageOf(other).find("permission denied"), std::string::npos) << other;
  EXPECT_FALSE(IsTransient(Dump("echo half")));
}

TEST(DumpFilterTest, OnlyTheRandomLinesGo) {
  std::string out;
  const auto write = [&](ByteView bytes) {
    out.append(bytes);
    return absl::OkStatus();
  };
  const std::string dump =
      "--\n\\restrict KEY\nSELECT '\n\\restrict KEY2\n\\unrestrict OTHER\n';\n--\n-- PostgreSQL "
      "database dump complete\n--\n\\unrestrict KEY\nend";
  for (std::size_t size = 1; size < dump.size(); ++size) {
    out.clear();
    DumpFilter filter(write);
    for (std::size_t at = 0; at < dump.size(); at += size) {
      ASSERT_TRUE(filter.Feed(ByteView(dump).substr(at, size)).ok());
    }
    ASSERT_TRUE(filter.Finish().ok());
    EXPECT_TRUE(filter.complete());
    EXPECT_EQ(out,
              "--\nSELECT '\n\\restrict KEY2\n\\unrestrict OTHER\n';\n--\n-- PostgreSQL database "
              "dump complete\n--\nend");
  }
}

TEST(ConnectionTest, ValuesAreQuotedAndSecretsStayOutOfArguments) {
  PostgresConnection connection;
  connection.host = "h";
  connection.password = "it's \\ secret";
  EXPECT_NE(ConnectionString(connection).find("password='it\\'s \\\\ secret'"), std::string::npos);
  bool found = false;
  for (const auto& [name, value] : ProgramEnvironment(connection)) {
    found = found || (name == "PGPASSWORD" && value == connection.password);
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteLiteral("a'b"), "'a''b'");
}

}  // namespace
}  // namespace holdfast::source
