// Goal:   whatever PostgreSQL can hold comes back: same schema, same rows, same everything, in the
//         same cluster and in a fresh one that has none of the roles.
// Method: a database with every kind of object; pg_dump -s of both sides must be equal, and row
//         sums computed by the servers, independent of our checksum, must agree.
#include <gtest/gtest.h>

#include <fstream>

#include "common/base/error.h"
#include "tests/contract/postgres/postgres_fixture.h"

namespace holdfast::test {
namespace {

class RoundTripTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    server_->Sql("postgres", "CREATE DATABASE everything");
    server_->LoadFile("everything", HOLDFAST_SOURCE_DIR "/tests/support/postgres_everything.sql");
    snapshot_ = new MemorySnapshot;
    result_ = new absl::StatusOr<source::SourceResult>(
        Backup(SourceOptions(*server_, "everything"), *snapshot_));
  }
  static void TearDownTestSuite() {
    delete result_;
    delete snapshot_;
    delete server_;
  }
  void SetUp() override { ASSERT_TRUE(result_->ok()) << Render(result_->status()); }

  static void ExpectSameDatabase(const PostgresServer& server, const std::string& name) {
    EXPECT_EQ(server_->Schema("everything"), server.Schema(name));
    EXPECT_EQ(server_->Rows("everything"), server.Rows(name));
    for (const char* query :
         {"SELECT count(*), md5(string_agg(oid || ' ' || md5(lo_get(oid)), ',' ORDER BY oid)) FROM "
          "pg_largeobject_metadata",
          "SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype, datconnlimit, "
          "shobj_description(oid, 'pg_database'), replace(datacl::text, datname, '') FROM "
          "pg_database WHERE datname = current_database()",
          "SELECT setrole::regrole, setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT "
          "oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
          "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2",
          "SELECT subname, subenabled, subslotname FROM pg_subscription WHERE subdbid = (SELECT "
          "oid FROM pg_database WHERE datname = current_database())",
          "SELECT count(*) FROM app.event_log"}) {
      EXPECT_EQ(server_->Sql("everything", query), server.Sql(name, query)) << query;
    }
  }

  static PostgresServer* server_;
  static MemorySnapshot* snapshot_;
  static absl::StatusOr<source::SourceResult>* result_;
};

PostgresServer* RoundTripTest::server_ = nullptr;
MemorySnapshot* RoundTripTest::snapshot_ = nullptr;
absl::StatusOr<source::SourceResult>* RoundTripTest::result_ = nullptr;

TEST_F(RoundTripTest, ComesBackInTheSameCluster) {
  const auto report = Restore(*snapshot_, RestoreOptions(*server_, "again"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  EXPECT_EQ(report->target, "again");
  EXPECT_GT(report->compared_items, 20u);
  EXPECT_EQ(report->warnings.size(), 1u) << "only the subscription is worth a warning";
  ExpectSameDatabase(*server_, "again");
  EXPECT_EQ(Leftovers(*server_), "");
}

// Everything that has more than a page is large.
TEST_F(RoundTripTest, ComesBackInParts) {
  MemorySnapshot parts;
  auto source = SourceOptions(*server_, "everything");
  source.pages_per_part = 1;
  ASSERT_TRUE(Backup(source, parts).ok());
  EXPECT_GT(parts.entries().size(), snapshot_->entries().size() + 5);
  auto options = RestoreOptions(*server_, "in_parts");
  options.pages_per_part = 1;
  const auto report = Restore(parts, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  ExpectSameDatabase(*server_, "in_parts");
}

TEST_F(RoundTripTest, ComesBackInAFreshCluster) {
  const PostgresServer fresh;
  const auto report = Restore(*snapshot_, RestoreOptions(fresh, "everything"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  ExpectSameDatabase(fresh, "everything");
  for (const char* query :
       {"SELECT rolname, rolpassword, rolconnlimit, rolcanlogin, shobj_description(oid, "
        "'pg_authid') FROM pg_authid WHERE rolname ~ '^app_' ORDER BY 1",
        "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members WHERE "
        "member::regrole::text ~ '^app_' ORDER BY 1::text, 2::text",
        "SELECT setrole::regrole, setconfig FROM pg_db_role_setting WHERE setdatabase = 0"}) {
    const std::string expected = server_->Sql("postgres", query);
    EXPECT_NE(expected, "");
    EXPECT_EQ(fresh.Sql("postgres", query), expected);
  }
}

TEST_F(RoundTripTest, TheSqlFileLoadsWithPsql) {
  TempDir directory;
  auto options = RestoreOptions(*server_, "");
  options.sql_file = directory / "database.sql";
  const auto report = Restore(*snapshot_, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  server_->Sql("postgres", "CREATE DATABASE from_file TEMPLATE template0");
  server_->LoadFile("from_file", options.sql_file);
  EXPECT_EQ(server_->Schema("everything"), server_->Schema("from_file"));
  EXPECT_EQ(server_->Rows("everything"), server_->Rows("from_file"));

  const auto again = Restore(*snapshot_, options);
  EXPECT_EQ(KindOf(again.status()), ErrorKind::kRefused) << "a file that exists is not replaced";
}

TEST_F(RoundTripTest, UnchangedDataGivesTheSameBytes) {
  MemorySnapshot second;
  ASSERT_TRUE(Backup(SourceOptions(*server_, "everything"), second).ok());
  ASSERT_EQ(second.entries().size(), snapshot_->entries().size());
  for (const auto& [path, entry] : snapshot_->entries()) {
    EXPECT_EQ(entry.content_hash, second.entries().at(path).content_hash) << path;
    EXPECT_EQ(entry.row_checksum, second.entries().at(path).row_checksum) << path;
  }
  EXPECT_EQ(snapshot_->ContentOf("pre-data.sql").find("\\restrict"), Bytes::npos);
}

TEST_F(RoundTripTest, TellsWhatItRead) {
  EXPECT_TRUE((*result_)->notes.empty());
  EXPECT_FALSE((*result_)->position.empty());
  EXPECT_EQ((*result_)->attributes.at("encoding"), "UTF8");
  const Entry& customers = snapshot_->entries().at("data/app.customers.copy");
  EXPECT_EQ(customers.rows, 2000u);
  EXPECT_EQ(customers.attributes.at("table"), "customers");
}

}  // namespace
}  // namespace holdfast::test
