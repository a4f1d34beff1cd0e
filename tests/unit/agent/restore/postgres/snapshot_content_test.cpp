// Goal: a large table is found with all its parts, in order, or the snapshot is refused before a
//       server is touched.
#include "agent/restore/postgres/snapshot_content.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::restore {
namespace {

class SnapshotContentTest : public testing::Test {
 protected:
  void SetUp() override {
    source::DatabaseFacts database;
    database.name = "shop";
    Add("database.json", source::EncodeDatabase(database).value());
    Add("sequences.json", source::EncodeSequences({}).value());
    for (const char* script : {"globals.sql", "pre-data.sql", "post-data.sql"}) Add(script, "--\n");
    AddPart("small", {0, 1}, "1\n2\n");
    for (std::uint32_t number = 0; number < 12; ++number) AddPart("large", {number, 12}, "row\n");
  }

  void Add(const std::string& path, const Bytes& content, Entry entry = {}) {
    entry.path = path;
    entry.content_bytes = content.size();
    ASSERT_TRUE(snapshot_.Add(std::move(entry)).ok());
    snapshot_.SetContent(path, content);
  }

  void AddPart(const std::string& name, const source::TablePart& part, const Bytes& content) {
    source::TableFacts facts;
    facts.schema = "s";
    facts.name = name;
    source::RowChecksum sum;
    source::RowSplitter(sum).Feed(content);
    Entry entry = TableEntry(facts, part);
    entry.rows = sum.rows();
    entry.row_checksum = sum.bytes();
    const std::string path = entry.path;
    Add(path, content, std::move(entry));
  }

  int CodeWithout(std::uint32_t part) {
    const std::string path = source::TablePath("s", "large", part);
    const auto node = snapshot_.mutable_entries().extract(path);
    const int code = CodeOf(ReadContent(snapshot_).status());
    snapshot_.mutable_entries().emplace(path, node.mapped());
    return code;
  }

  test::MemorySnapshot snapshot_;
};

TEST_F(SnapshotContentTest, PartsAreOneTable) {
  const auto content = ReadContent(snapshot_);
  ASSERT_TRUE(content.ok()) << Render(content.status());
  ASSERT_EQ(content->tables.size(), 2u);
  const StoredTable& large = content->tables[0];
  EXPECT_EQ(large.facts.name, "large") << "largest first, all parts together";
  ASSERT_EQ(large.parts.size(), 12u);
  EXPECT_EQ(large.content_bytes(), 48u);
  EXPECT_EQ(large.rows().rows(), 12u);
  source::RowChecksum sum;
  for (int i = 0; i < 12; ++i) sum.AddRow("row");
  EXPECT_EQ(large.rows(), sum);
  EXPECT_EQ(content->tables[1].parts.size(), 1u);
}

TEST_F(SnapshotContentTest, AMissingPartIsRefused) {
  for (std::uint32_t part = 0; part < 12; ++part) EXPECT_EQ(CodeWithout(part), 3110) << part;
  EXPECT_TRUE(ReadContent(snapshot_).ok());
}

TEST_F(SnapshotContentTest, APartOfAnotherTableIsRefused) {
  snapshot_.mutable_entries().at(source::TablePath("s", "large", 3)).attributes["table"] = "other";
  EXPECT_EQ(CodeOf(ReadContent(snapshot_).status()), 3110);
}

}  // namespace
}  // namespace holdfast::restore
