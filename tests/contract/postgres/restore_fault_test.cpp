// Goal: a restore that cannot be whole leaves nothing behind and touches nothing that exists; one
//       table comes back alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/contract/postgres/postgres_fixture.h"

namespace holdfast::test {
namespace {

using testing::HasSubstr;

class RestoreFaultTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    server_->Sql("postgres", "CREATE DATABASE shop");
    server_->Sql("shop",
                 "CREATE ROLE clerk; CREATE TYPE state AS ENUM ('new', 'paid'); CREATE TABLE "
                 "customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1); CREATE TABLE "
                 "orders (id serial PRIMARY KEY, customer int REFERENCES customers, state state "
                 "CHECK (state IS NOT NULL), note text UNIQUE); INSERT INTO orders (customer, "
                 "state, note) SELECT 1, 'paid', 'note ' || i FROM generate_series(1, 500) i; "
                 "CREATE TABLE parts (a int) PARTITION BY HASH (a); CREATE TABLE parts_0 PARTITION "
                 "OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE parts_1 "
                 "PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO parts "
                 "SELECT generate_series(1, 10); GRANT SELECT ON orders TO clerk");
    server_->Sql("shop",
                 "CREATE SUBSCRIPTION s CONNECTION 'port=1' PUBLICATION p WITH (connect = false)");
  }
  static void TearDownTestSuite() { delete server_; }

  void SetUp() override {
    const auto result = Backup(SourceOptions(*server_, "shop"), snapshot_);
    ASSERT_TRUE(result.ok()) << Render(result.status());
    roles_ = server_->Sql("postgres", "SELECT rolname FROM pg_roles ORDER BY 1");
  }

  void ExpectNothingLeft(const std::string& database) {
    EXPECT_FALSE(server_->HasDatabase(database));
    EXPECT_EQ(Leftovers(*server_), "");
    EXPECT_EQ(server_->Sql("postgres", "SELECT rolname FROM pg_roles ORDER BY 1"), roles_);
  }

  static PostgresServer* server_;
  MemorySnapshot snapshot_;
  std::string roles_;
};
PostgresServer* RestoreFaultTest::server_ = nullptr;

TEST_F(RestoreFaultTest, AnExistingDatabaseIsRefusedAndUntouched) {
  const std::string before = server_->Rows("shop");
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "shop"));
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kRefused);
  EXPECT_EQ(CodeOf(report.status()), 3101);
  EXPECT_EQ(server_->Rows("shop"), before);
  EXPECT_EQ(Leftovers(*server_), "");
}

TEST_F(RestoreFaultTest, DamagedRowsAreAnIntegrityErrorAndLeaveNothing) {
  Bytes rows = snapshot_.ContentOf("data/public.orders.copy");
  rows.replace(rows.find("note 77"), 7, "note 7X");
  snapshot_.SetContent("data/public.orders.copy", rows);
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "damaged"));
  EXPECT_EQ(ExitCodeOf(report.status()), 5) << Render(report.status());
  ExpectNothingLeft("damaged");
}

TEST_F(RestoreFaultTest, AReadThatFailsHalfWayLeavesNothing) {
  for (const char* path : {"data/public.orders.copy", "post-data.sql", "database.json"}) {
    MemorySnapshot snapshot;
    ASSERT_TRUE(Backup(SourceOptions(*server_, "shop"), snapshot).ok());
    snapshot.FailReadOf(path);
    const auto report = Restore(snapshot, RestoreOptions(*server_, "damaged"));
    EXPECT_EQ(ExitCodeOf(report.status()), 5) << path << " " << Render(report.status());
    ExpectNothingLeft("damaged");
  }
}

TEST_F(RestoreFaultTest, ARowThatDiffersFromTheManifestIsAMismatchAndIsNotPublished) {
  snapshot_.mutable_entries().at("data/public.orders.copy").row_checksum[15] ^= 1;
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "mismatch"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(ExitCodeOf(restore::StatusOf(*report)), 5);
  ASSERT_EQ(report->mismatches.size(), 1u);
  EXPECT_EQ(report->mismatches[0].path, "public.orders");
  ExpectNothingLeft("mismatch");

  auto options = RestoreOptions(*server_, "mismatch");
  options.keep_mismatched = true;
  const auto kept = Restore(snapshot_, options);
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(Leftovers(*server_), kept->target + "\n");
  server_->Sql(kept->target, "ALTER SUBSCRIPTION s SET (slot_name = NONE)");
  server_->Sql(kept->target, "DROP SUBSCRIPTION s");
  server_->Sql("postgres", "DROP DATABASE " + kept->target);
}

TEST_F(RestoreFaultTest, WhatTheServerLacksIsListedBeforeAnythingIsChanged) {
  Bytes json = snapshot_.ContentOf("database.json");
  const auto replace = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(json.find(from), Bytes::npos) << json;
    json.replace(json.find(from), from.size(), to);
  };
  replace("\"plpgsql\"", "\"plpgsql\", \"no_such_extension\"");
  replace("\"clerk\"", "\"clerk\", \"no_such_role\"");
  replace("\"collate\": \"C.UTF-8\"", "\"collate\": \"xx_XX.UTF-8\"");
  snapshot_.SetContent("database.json", json);
  snapshot_.mutable_entries().at("database.json").content_hash.clear();
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "lacking"));
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kRefused) << Render(report.status());
  EXPECT_THAT(MessageOf(report.status()),
              testing::AllOf(HasSubstr("no_such_extension"), HasSubstr("no_such_role"),
                             HasSubstr("xx_XX.UTF-8")));
  ExpectNothingLeft("lacking");
}

TEST_F(RestoreFaultTest, AnOlderServerIsRefused) {
  Bytes json = snapshot_.ContentOf("database.json");
  const std::size_t at = json.find("\"server_version\": 15");
  ASSERT_NE(at, Bytes::npos);
  json.replace(at, 20, "\"server_version\": 99");
  snapshot_.SetContent("database.json", json);
  snapshot_.mutable_entries().at("database.json").content_hash.clear();
  const auto report = Restore(snapshot_, RestoreOptions(*server_, "newer"));
  EXPECT_EQ(CodeOf(report.status()), 3102);
  ExpectNothingLeft("newer");
}

TEST_F(RestoreFaultTest, ASchemaTheServerRefusesLeavesNothingNotEvenRoles) {
  const PostgresServer fresh;
  snapshot_.SetContent("post-data.sql",
                       snapshot_.ContentOf("post-data.sql") +
                           "\n--\n-- Name: broken; Type: INDEX; "
                           "Schema: public; Owner: -\n--\n\nCREATE INDEX ON public.missing (a);\n");
  snapshot_.mutable_entries().at("post-data.sql").content_hash.clear();
  const auto report = Restore(snapshot_, RestoreOptions(fresh, "broken"));
  EXPECT_EQ(CodeOf(report.status()), 3105);
  EXPECT_THAT(MessageOf(report.status()), HasSubstr("INDEX 'public.broken'"));
  EXPECT_FALSE(fresh.HasDatabase("broken"));
  EXPECT_EQ(Leftovers(fresh), "");
  EXPECT_EQ(fresh.Sql("postgres", "SELECT rolname FROM pg_roles WHERE rolname = 'clerk'"), "");
}

TEST_F(RestoreFaultTest, OneTableIntoTheDatabaseItCameFromUnderAnotherName) {
  auto options = RestoreOptions(*server_, "shop");
  options.table = "public.orders";
  options.into_table = "orders_before";
  const auto report = Restore(snapshot_, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  EXPECT_EQ(server_->Sql("shop",
                         "SELECT count(*) FROM orders_before JOIN orders USING (id, "
                         "customer, state, note)"),
            "500\n");
  EXPECT_EQ(server_->Sql("shop",
                         "SELECT contype, count(*) FROM pg_constraint WHERE conrelid = "
                         "'orders_before'::regclass GROUP BY 1 ORDER BY 1"),
            "c|1\nf|1\np|1\nu|1\n");
  EXPECT_EQ(server_->Sql("shop", "INSERT INTO orders_before (state) VALUES ('new') RETURNING id"),
            "501\n");
  EXPECT_EQ(Restore(snapshot_, options).status().code(), absl::StatusCode::kFailedPrecondition)
      << "a table that exists is not replaced";
  server_->Sql("shop", "DROP TABLE orders_before");
  EXPECT_EQ(Leftovers(*server_), "");
}

TEST_F(RestoreFaultTest, OneTableWhoseTypeIsMissingIsRefused) {
  server_->Sql("postgres", "CREATE DATABASE bare");
  auto options = RestoreOptions(*server_, "bare");
  options.table = "orders";
  const auto report = Restore(snapshot_, options);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kRefused) << Render(report.status());
  EXPECT_THAT(MessageOf(report.status()), HasSubstr("state"));
  EXPECT_EQ(server_->Rows("bare"), "");
  EXPECT_EQ(Leftovers(*server_), "");
  server_->Sql("postgres", "DROP DATABASE bare");
}

TEST_F(RestoreFaultTest, OneTableIntoANewDatabaseHasOnlyItsRows) {
  auto options = RestoreOptions(*server_, "only_parts");
  options.table = "parts";
  const auto report = Restore(snapshot_, options);
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_TRUE(restore::StatusOf(*report).ok()) << Render(restore::StatusOf(*report));
  EXPECT_EQ(server_->Sql("only_parts",
                         "SELECT (SELECT count(*) FROM parts), (SELECT count(*) FROM "
                         "orders)"),
            "10|0\n");

  options.database = "only_orders";
  options.table = "orders";
  const auto partial = Restore(snapshot_, options);
  ASSERT_TRUE(partial.ok()) << Render(partial.status());
  ASSERT_EQ(partial->skipped.size(), 1u) << "the foreign key needs rows of another table";
  EXPECT_THAT(partial->skipped[0].path, HasSubstr("FK CONSTRAINT"));

  options.table = "no_such_table";
  options.database = "nowhere";
  EXPECT_EQ(KindOf(Restore(snapshot_, options).status()), ErrorKind::kNotFound);
}

}  // namespace
}  // namespace holdfast::test
