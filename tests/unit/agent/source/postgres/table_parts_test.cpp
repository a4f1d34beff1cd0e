// Goal: a large table is cut at the same pages every day, its parts have names and statements of
//       their own, and an entry that does not say clearly which part it is is refused.
#include "agent/source/postgres/table_parts.h"

#include <gtest/gtest.h>

#include <limits>

#include "agent/source/postgres/database_facts.h"
#include "common/base/error.h"

namespace holdfast::source {
namespace {

TEST(TablePartsTest, PartsFollowEachOtherAndTheLastHasNoEnd) {
  for (std::uint64_t pages = 0; pages < 40; ++pages) {
    for (const std::uint64_t size : {1, 2, 7, 39}) {
      const std::vector<PageRange> parts = CutIntoParts(pages, size);
      ASSERT_FALSE(parts.empty());
      EXPECT_EQ(parts.size(), std::max<std::uint64_t>(1, (pages + size - 1) / size));
      EXPECT_EQ(parts.front().begin, 0u);
      EXPECT_FALSE(parts.back().end.has_value()) << "rows added meanwhile belong to the last part";
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        EXPECT_EQ(parts[i].end, parts[i + 1].begin);
        EXPECT_EQ(parts[i].end, (i + 1) * size);
      }
    }
  }
  EXPECT_TRUE(CutIntoParts(1'000'000, std::numeric_limits<std::uint64_t>::max())[0].whole());
}

TEST(TablePartsTest, ATableThatGrowsKeepsItsCuts) {
  const std::vector<PageRange> before = CutIntoParts(25, 10);
  const std::vector<PageRange> after = CutIntoParts(31, 10);
  ASSERT_EQ(before.size(), 3u);
  ASSERT_EQ(after.size(), 4u);
  EXPECT_EQ(before[0], after[0]);
  EXPECT_EQ(before[1], after[1]);
  EXPECT_EQ(before[2].begin, after[2].begin);
}

TEST(TablePartsTest, EachPartIsReadByItsPages) {
  TableFacts table;
  table.schema = "s";
  table.name = "t";
  table.columns = "a, b";
  EXPECT_EQ(CopyOutSql(table, "UTF8", {8, 16}),
            "COPY (SELECT a, b FROM ONLY \"s\".\"t\" WHERE ctid >= '(8,0)' AND ctid < '(16,0)') "
            "TO STDOUT (FORMAT text, ENCODING 'UTF8')");
  EXPECT_EQ(CopyOutSql(table, "UTF8", {16, {}}),
            "COPY (SELECT a, b FROM ONLY \"s\".\"t\" WHERE ctid >= '(16,0)') TO STDOUT (FORMAT "
            "text, ENCODING 'UTF8')");
  EXPECT_EQ(CopyOutSql(table, "UTF8", {}),
            "COPY \"s\".\"t\" (a, b) TO STDOUT (FORMAT text, ENCODING 'UTF8')");
}

TEST(TablePartsTest, NamesSortInTheOrderOfTheParts) {
  EXPECT_EQ(TablePath("app", "orders", 0), TablePath("app", "orders"));
  EXPECT_EQ(TablePath("app", "orders", 12), "data/app.orders.copy.000012");
  for (const std::string& name : {std::string("t"), std::string(63, '.')}) {
    std::string before = TablePath(name, name);
    for (const std::uint32_t part : {1u, 9u, 10u, 524'287u}) {
      const std::string path = TablePath(name, name, part);
      EXPECT_LT(ComparePaths(before, path), 0) << path;
      EXPECT_TRUE(ValidatePath(path).ok()) << path;
      before = path;
    }
    // Nothing else comes between them.
    EXPECT_GT(ComparePaths(TablePath(name, name + "0"), before), 0);
  }
}

TEST(TablePartsTest, AnEntrySaysWhichPartItIs) {
  TableFacts table;
  table.schema = "s";
  table.name = "t";
  EXPECT_EQ(PartOf(TableEntry(table))->count, 1u);
  EXPECT_EQ(TableEntry(table).attributes.count("parts"), 0u);

  Entry first = TableEntry(table, {0, 3});
  EXPECT_EQ(PartOf(first)->number, 0u);
  EXPECT_EQ(PartOf(first)->count, 3u);
  // A table that grows by a part leaves the entries of the others as they are.
  EXPECT_EQ(TableEntry(table, {2, 3}).attributes, TableEntry(table, {2, 4}).attributes);
  EXPECT_EQ(PartOf(TableEntry(table, {2, 3}))->number, 2u);

  for (const char* nonsense : {"0", "-1", "x", "1000000", "1 2"}) {
    first.attributes["parts"] = nonsense;
    EXPECT_EQ(CodeOf(PartOf(first).status()), 3110) << nonsense;
  }
  first.attributes["parts"] = "3";
  first.attributes["part"] = "1";
  EXPECT_EQ(CodeOf(PartOf(first).status()), 3110) << "only the first part tells the count";
}

}  // namespace
}  // namespace holdfast::source
