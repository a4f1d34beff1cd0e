// Goal: scripts are cut where the server would see the end of a statement, and nowhere else.
#include "agent/restore/postgres/dump_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/restore/postgres/target_server.h"

namespace holdfast::restore {
namespace {

using testing::ElementsAre;

TEST(DumpScriptTest, StatementsEndOutsideQuotesOnly) {
  EXPECT_THAT(SplitStatements("-- a; b\nSELECT 'x;''y';\n/* c; /* d; */ e; */SELECT E'\\';z''';"
                              "\n\nSELECT \"a;b\" ;SELECT $q$;$$;$q$;SELECT 1 - 2;SELECT a$b;c$d;"),
              ElementsAre("SELECT 'x;''y';", "SELECT E'\\';z''';", "SELECT \"a;b\" ;",
                          "SELECT $q$;$$;$q$;", "SELECT 1 - 2;", "SELECT a$b;", "c$d;"));
}

TEST(DumpScriptTest, PiecesOfAnySizeGiveTheSameStatements) {
  const std::string script = "-- c\nSELECT lowrite(0, '\\x00;');\nCOMMIT;\n";
  for (std::size_t size = 1; size <= script.size(); ++size) {
    std::vector<std::string> found;
    StatementStream stream([&](const std::string& statement) {
      found.push_back(statement);
      return absl::OkStatus();
    });
    for (std::size_t at = 0; at < script.size(); at += size) {
      ASSERT_TRUE(stream.Feed(ByteView(script).substr(at, size)).ok());
    }
    EXPECT_TRUE(stream.AtEnd());
    EXPECT_THAT(found, ElementsAre("SELECT lowrite(0, '\\x00;');", "COMMIT;"));
  }
}

TEST(DumpScriptTest, HeadingsCutButNotInsideQuotes) {
  const std::string script =
      "SET a = 1;\n\n--\n-- Name: f; Type: FUNCTION; Schema: app; Owner: o\n--\n\nCREATE FUNCTION "
      "f() "
      "AS $$\n--\n-- Name: fake; Type: TABLE; Schema: -; Owner: -\n--\n$$;\n\n--\n-- Name: EVENT "
      "TRIGGER e; Type: COMMENT; Schema: -; Owner: \n--\n\nCOMMENT;\n\n--\n-- Name: t i; Type: FK "
      "CONSTRAINT; Schema: s; Owner: x\n--\n\nALTER;\n";
  const std::vector<DumpItem> items = SplitDump(script);
  ASSERT_EQ(items.size(), 4u);
  std::string joined;
  for (const DumpItem& item : items) joined += item.sql;
  EXPECT_EQ(joined, script);
  EXPECT_EQ(items[1].name, "f");
  EXPECT_EQ(items[1].type, "FUNCTION");
  EXPECT_EQ(items[1].schema, "app");
  EXPECT_EQ(items[3].type, "FK CONSTRAINT");
  const std::vector<DumpItem> ordered = EventTriggersLast(items);
  EXPECT_EQ(ordered[2].name, "t i");
  EXPECT_EQ(ordered[3].name, "EVENT TRIGGER e");
}

TEST(DumpScriptTest, IdentifiersAreUnquoted) {
  EXPECT_EQ(LeadingIdentifier("app_owner WITH LOGIN"), "app_owner");
  EXPECT_EQ(LeadingIdentifier(" \"a\"\"b; c\" SET x"), "a\"b; c");
  EXPECT_EQ(LeadingIdentifier(";"), "");
}

TEST(DumpScriptTest, ListSettingsStayLists) {
  EXPECT_EQ(SettingValue("search_path", "app, \"we, ird\", \"$user\""),
            "'app', 'we, ird', '$user'");
  EXPECT_EQ(SettingValue("work_mem", "a, 'b'"), "'a, ''b'''");
}

}  // namespace
}  // namespace holdfast::restore
