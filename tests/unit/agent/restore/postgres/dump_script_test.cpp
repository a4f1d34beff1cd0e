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
  EXPECT_THAT(SplitStatements("EXECUTE p($1);SELECT $ ;"),
              ElementsAre("EXECUTE p($1);", "SELECT $ ;"))
      << "no '$' that begins no tag quotes anything";
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

// What pg_dump prints, with one table that is large.
TEST(DumpScriptTest, PlainKeysOfLargeTablesAreMadeOfAnIndex) {
  const auto item = [](const std::string& table, const std::string& constraint) {
    return "--\n-- Name: t k; Type: CONSTRAINT; Schema: app; Owner: o\n--\n\nALTER TABLE ONLY " +
           table + "\n    ADD CONSTRAINT " + constraint + ";\n\n\nSET default_tablespace = x;\n\n";
  };
  const std::set<std::string> large = {"app.t", "app.\"T\""};
  EXPECT_EQ(WithIndexesFirst(item("app.t", "k PRIMARY KEY (a, \"B c\")"), large),
            "--\n-- Name: t k; Type: CONSTRAINT; Schema: app; Owner: o\n--\n\n"
            "CREATE UNIQUE INDEX k ON app.t (a, \"B c\");\nALTER TABLE ONLY app.t\n"
            "    ADD CONSTRAINT k PRIMARY KEY USING INDEX k;\n\n\nSET default_tablespace = x;\n\n");
  EXPECT_THAT(
      WithIndexesFirst(item("app.\"T\"", "\"a\"\" UNIQUE (\" UNIQUE (a)"), large),
      testing::HasSubstr("CREATE UNIQUE INDEX \"a\"\" UNIQUE (\" ON app.\"T\" (a);\nALTER TABLE "
                         "ONLY app.\"T\"\n    ADD CONSTRAINT \"a\"\" UNIQUE (\" UNIQUE USING INDEX "
                         "\"a\"\" UNIQUE (\";"));
  for (const char* other :
       {"k PRIMARY KEY (a) INCLUDE (b)", "k PRIMARY KEY (a) WITH (fillfactor='50')",
        "k UNIQUE (a) DEFERRABLE", "k UNIQUE NULLS NOT DISTINCT (a)", "k CHECK ((a > 0))",
        "k EXCLUDE USING gist (r WITH &&)", "k UNIQUE (\"a)\")"}) {
    EXPECT_EQ(WithIndexesFirst(item("app.t", other), large), item("app.t", other));
  }
  const std::string small = item("app.small", "k PRIMARY KEY (a)");
  EXPECT_EQ(WithIndexesFirst(small, large), small);
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
