// Goal: a large table is found with all its parts, in order, or the snapshot is refused before a
//       server is touched.
#include "agent/restore/postgres/snapshot_content.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/unit/agent/restore/postgres/stored_database.h"

namespace holdfast::restore {
namespace {

class SnapshotContentTest : public testing::Test {
 protected:
  SnapshotContentTest() {
    stored_.AddPart("small", {0, 1}, "1\n2\n");
    for (std::uint32_t part = 0; part < 12; ++part) stored_.AddPart("large", {part, 12}, "row\n");
  }

  int CodeWithout(std::uint32_t part) {
    const std::string path = source::TablePath("s", "large", part);
    const auto node = snapshot_.mutable_entries().extract(path);
    const int code = CodeOf(ReadContent(snapshot_).status());
    snapshot_.mutable_entries().emplace(path, node.mapped());
    return code;
  }

  StoredDatabase stored_;
  test::MemorySnapshot& snapshot_ = stored_.snapshot;
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
