// Goal: what the server lacks, refuses or changes behind the restore's back is said, and leaves
// nothing behind; what only costs convenience is a warning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/base/error.h"
#include "tests/contract/postgres/postgres_fixture.h"

namespace holdfast::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// Does something at the step of this name.
class MeddlingProgress final : public restore::RestoreProgress {
 public:
  MeddlingProgress(std::string step, std::function<void()> meddle)
      : step_(std::move(step)), meddle_(std::move(meddle)) {}
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string step) override {
    if (step == step_) meddle_();
  }

 private:
  const std::string step_;
  const std::function<void()> meddle_;
};

class RestoreServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    server_->Sql("postgres", "ALTER SYSTEM SET allow_in_place_tablespaces = on");
    server_->Sql("postgres", "SELECT pg_reload_conf()");
    server_->Sql("postgres", "CREATE ROLE guest LOGIN");
    server_->Sql("postgres", "CREATE TABLESPACE \"fast disk\" LOCATION ''");
    server_->Sql("postgres", "CREATE TABLESPACE slow LOCATION ''");
    server_->Sql("postgres", "CREATE DATABASE store");
    server_->Sql("store",
                 "CREATE SEQUENCE counter; SELECT setval('counter', 500); "
                 "CREATE TABLE items (id int PRIMARY KEY, note text) TABLESPACE \"fast disk\"; "
                 "INSERT INTO items SELECT i, 'note ' || i FROM generate_series(1, 50) i; "
                 "CREATE TABLE sales (item int REFERENCES items) TABLESPACE slow; "
                 "INSERT INTO sales SELECT generate_series(1, 50); "
                 "CREATE SCHEMA old; CREATE TABLE old.items (id int); "
                 "CREATE TABLE pieces (a int) PARTITION BY LIST (a); "
                 "CREATE TABLE pieces_1 PARTITION OF pieces FOR VALUES IN (1); "
                 "INSERT INTO pieces VALUES (1), (1); "
                 "SELECT lo_from_bytea(0, 'a large object')");
  }
  static void TearDownTestSuite() { delete server_; }

  void SetUp() override {
    const auto result = Backup(SourceOptions(*server_, "store"), snapshot_);
    ASSERT_TRUE(result.ok()) << Render(result.status());
  }

  void Change(const std::string& path, const Bytes& content) {
    snapshot_.SetContent(path, content);
    snapshot_.mutable_entries().at(path).content_hash.clear();
  }
  void Replace(const std::string& path, const std::string& from, const std::string& to) {
    Bytes text = snapshot_.ContentOf(path);
    ASSERT_NE(text.find(from), Bytes::npos) << text;
    text.replace(text.find(from), from.size(), to);
    Change(path, text);
  }
  // The restore is refused, or ends with a mismatch, and no database of the name is there.
  void ExpectMismatch(const std::string& path, const std::string& reason) {
    const auto report = Restore(snapshot_, RestoreOptions(*server_, "other"));
    ASSERT_TRUE(report.ok()) << Render(report.status());
    ASSERT_EQ(report->mismatches.size(), 1u);
    EXPECT_EQ(report->mismatches[0].path, path);
    EXPECT_EQ(report->mismatches[0].reason, reason);
    ExpectNothingLeft();
  }
  void ExpectFails(ErrorKind kind, int code, const std::string& words,
                   const restore::PostgresRestoreOptions& options) {
    const absl::Status status = Restore(snapshot_, options).status();
    EXPECT_EQ(KindOf(status), kind) << status;
    EXPECT_EQ(CodeOf(status), code) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr(words));
    ExpectNothingLeft();
  }
  void ExpectNothingLeft() {
    EXPECT_FALSE(server_->HasDatabase("other"));
    EXPECT_EQ(Leftovers(*server_), "");
  }

  static PostgresServer* server_;
  MemorySnapshot snapshot_;
};
PostgresServer* RestoreServerTest::server_ = nullptr;

TEST_F(RestoreServerTest, RowsThatAreMissingAreCounted) {
  *snapshot_.mutable_entries().at("data/public.items.copy").rows += 1;
  ExpectMismatch("public.items", "50 rows instead of 51");
}

TEST_F(RestoreServerTest, ASequenceThatIsNotWhereItWasIsAMismatch) {
  Replace("sequences.json", "\"500\"", "\"0500\"");
  ExpectMismatch("public.counter", "the sequence is not at 0500");
}

TEST_F(RestoreServerTest, LargeObjectsThatDifferAreAMismatch) {
  snapshot_.mutable_entries().at("large-objects.sql").row_checksum[3] ^= 1;
  ExpectMismatch("large objects", "they differ from those of the snapshot");
}

TEST_F(RestoreServerTest, LargeObjectsWithoutAChecksumAreNotCalledWhole) {
  snapshot_.mutable_entries().at("large-objects.sql").row_checksum.clear();
  ExpectFails(ErrorKind::kIntegrity, 3110, "the snapshot has no checksum of them",
              RestoreOptions(*server_, "other"));
}

TEST_F(RestoreServerTest, LargeObjectsThatEndInsideAStatementAreDamage) {
  Change("large-objects.sql", snapshot_.ContentOf("large-objects.sql") + "SELECT lo_create(");
  ExpectFails(ErrorKind::kIntegrity, 3110, "their script ends inside a statement",
              RestoreOptions(*server_, "other"));
}

TEST_F(RestoreServerTest, WhatLayInAMissingTablespaceComesBackInTheDefaultOne) {
  const PostgresServer fresh;
  const auto report = Restore(snapshot_, RestoreOptions(fresh, "store"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  EXPECT_THAT(report->warnings,
              testing::IsSupersetOf({HasSubstr("tablespace 'fast disk' does not exist here"),
                                     HasSubstr("tablespace 'slow' does not exist here")}));
  EXPECT_EQ(fresh.Rows("store"), server_->Rows("store"));
  EXPECT_EQ(fresh.Sql("store",
                      "SELECT count(*) FROM pg_class WHERE reltablespace <> 0 AND "
                      "relname IN ('items', 'sales')"),
            "0\n");
}

TEST_F(RestoreServerTest, AUserWithoutTheRightIsToldHowToGetIt) {
  auto options = RestoreOptions(*server_, "other");
  options.connection.user = "guest";
  ExpectFails(ErrorKind::kPermission, 3104, "unable to create a database as user 'guest'", options);
  EXPECT_THAT(HintOf(Restore(snapshot_, options).status()),
              HasSubstr("ALTER ROLE \"guest\" CREATEDB;"));
}

TEST_F(RestoreServerTest, ADatabaseThatCannotBeCreatedIsSaid) {
  Replace("database.json", "\"encoding\": \"UTF8\"", "\"encoding\": \"NONE\"");
  const absl::Status status = Restore(snapshot_, RestoreOptions(*server_, "other")).status();
  EXPECT_THAT(MessageOf(status), HasSubstr("unable to create a database: "));
  EXPECT_THAT(MessageOf(status), HasSubstr("NONE"));
  ExpectNothingLeft();
}

// Names that begin with pg_ are the server's own.
TEST_F(RestoreServerTest, ARoleThatIsRefusedCountsOnlyWhenTheDatabaseNeedsIt) {
  Change("globals.sql", snapshot_.ContentOf("globals.sql") + "CREATE ROLE pg_stranger;\n");
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "other"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_THAT(report->warnings, Contains(HasSubstr("role 'pg_stranger' was not created: ")));
  server_->Sql("postgres", "DROP DATABASE other");

  Replace("database.json", "\"roles\": [", "\"roles\": [\"pg_stranger\", ");
  const absl::Status status = Restore(snapshot_, RestoreOptions(*server_, "other")).status();
  EXPECT_THAT(MessageOf(status), HasSubstr("unable to create role 'pg_stranger'"));
  ExpectNothingLeft();
}

TEST_F(RestoreServerTest, ARoleThatIsNotSetUpWhollyIsAWarning) {
  Change("globals.sql", snapshot_.ContentOf("globals.sql") +
                            "CREATE ROLE late;\nALTER ROLE late SET no_such_setting TO '1';\n");
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "other"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_THAT(report->warnings, Contains(HasSubstr("role 'late' was not set up completely: ")));
  server_->Sql("postgres", "DROP DATABASE other");
  server_->Sql("postgres", "DROP ROLE late");
}

// Being a template keeps a database from being dropped, which must not keep ours.
TEST_F(RestoreServerTest, ANameThatIsTakenMeanwhileIsRefusedAndATemplateIsDropped) {
  Replace("database.json", "\"is_template\": false", "\"is_template\": true");
  MeddlingProgress progress("loading rows",
                            [&] { server_->Sql("postgres", "CREATE DATABASE other"); });
  const absl::Status status =
      restore::RestorePostgres(snapshot_, RestoreOptions(*server_, "other"), progress, {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kRefused) << status;
  EXPECT_EQ(CodeOf(status), 3101);
  EXPECT_THAT(MessageOf(status), HasSubstr("it was created meanwhile"));
  EXPECT_EQ(server_->Rows("other"), "") << "theirs is untouched";
  EXPECT_EQ(Leftovers(*server_), "");
  server_->Sql("postgres", "DROP DATABASE other");
}

TEST_F(RestoreServerTest, ATableNameThatTwoSchemasHaveNeedsItsSchema) {
  auto options = RestoreOptions(*server_, "other");
  options.table = "items";
  ExpectFails(ErrorKind::kUsage, 3108, "2 tables have that name", options);
}

TEST_F(RestoreServerTest, APartitionedTableGoesIntoNewDatabasesOnly) {
  auto options = RestoreOptions(*server_, "store");
  options.table = "pieces";
  ExpectFails(ErrorKind::kUsage, 3108, "unable to restore the partitioned table 'pieces'", options);
}

TEST_F(RestoreServerTest, OneTableIntoANewDatabaseUnderAnotherName) {
  auto options = RestoreOptions(*server_, "other");
  options.table = "public.items";
  options.into_table = "items then";
  ASSERT_TRUE(Restore(snapshot_, options).ok());
  EXPECT_EQ(server_->Sql("other", "SELECT count(*) FROM \"items then\""), "50\n");
  server_->Sql("postgres", "DROP DATABASE other");

  options.table = "pieces";
  options.into_table = "pieces_then";
  ASSERT_TRUE(Restore(snapshot_, options).ok());
  EXPECT_EQ(server_->Sql("other", "SELECT count(*) FROM pieces_then"), "2\n");
  server_->Sql("postgres", "DROP DATABASE other");
}

TEST_F(RestoreServerTest, AKeyToATableThatIsNotThereIsListed) {
  server_->Sql("postgres", "CREATE DATABASE bare_store");
  auto options = RestoreOptions(*server_, "bare_store");
  options.table = "sales";
  const auto report = Restore(snapshot_, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_THAT(report->skipped[0].path, HasSubstr("FK CONSTRAINT"));
  EXPECT_THAT(report->skipped[0].reason, HasSubstr("items"));
  EXPECT_EQ(server_->Sql("bare_store", "SELECT count(*) FROM sales"), "50\n");
  server_->Sql("postgres", "DROP DATABASE bare_store");
}

// An event trigger of the database gives every new table a trigger that changes its rows.
TEST_F(RestoreServerTest, RowsThatTheDatabaseChangesAreAMismatchAndTheTableIsNotThere) {
  server_->Sql("postgres", "CREATE DATABASE eager");
  server_->Sql(
      "eager",
      "CREATE FUNCTION mangle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := "
      "'mangled'; RETURN NEW; END $$; CREATE FUNCTION add() RETURNS event_trigger "
      "LANGUAGE plpgsql AS $$ DECLARE c record; BEGIN FOR c IN SELECT * FROM "
      "pg_event_trigger_ddl_commands() LOOP EXECUTE 'CREATE TRIGGER m BEFORE INSERT ON ' "
      "|| c.object_identity || ' FOR EACH ROW EXECUTE FUNCTION public.mangle()'; END LOOP; END "
      "$$; CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('CREATE TABLE') "
      "EXECUTE FUNCTION public.add()");
  auto options = RestoreOptions(*server_, "eager");
  options.table = "public.items";
  const auto report = Restore(snapshot_, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  ASSERT_EQ(report->mismatches.size(), 1u);
  EXPECT_EQ(report->mismatches[0].path, "public.items");
  EXPECT_EQ(report->mismatches[0].reason, "the rows differ from those of the snapshot");
  EXPECT_EQ(server_->Sql("eager", "SELECT to_regclass('items') IS NULL"), "t\n");
  ExpectNothingLeft();
  server_->Sql("postgres", "DROP DATABASE eager");
}

}  // namespace
}  // namespace holdfast::test
