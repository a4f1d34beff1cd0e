// Goal: a backup that cannot be whole is an error that says what to do, never a shorter snapshot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>

#include "agent/source/postgres/session.h"
#include "common/base/error.h"
#include "common/env/clock.h"
#include "tests/contract/postgres/postgres_fixture.h"

namespace holdfast::test {
namespace {

using testing::HasSubstr;

// Passes everything on, and calls `hook` once, when the first rows are written.
class HookedSnapshot final : public source::SnapshotBuilder {
 public:
  HookedSnapshot(MemorySnapshot& inner, std::function<void()> hook)
      : inner_(inner), hook_(std::move(hook)) {}
  std::unique_ptr<source::ContentLane> OpenLane() override {
    return std::make_unique<Lane>(inner_.OpenLane(), *this);
  }
  absl::Status Add(Entry entry) override { return inner_.Add(std::move(entry)); }
  std::optional<Entry> Previous(std::string_view path) override { return inner_.Previous(path); }
  absl::Status Reuse(Entry entry, const Entry& previous) override {
    return inner_.Reuse(std::move(entry), previous);
  }
  void Skip(std::string path, std::string reason) override { inner_.Skip(path, reason); }
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Fire() {
    if (!fired_.exchange(true)) hook_();
  }
  bool fired() const { return fired_; }

 private:
  class Lane final : public source::ContentLane {
   public:
    Lane(std::unique_ptr<source::ContentLane> inner, HookedSnapshot& owner)
        : inner_(std::move(inner)), owner_(owner) {}
    absl::Status Begin() override { return inner_->Begin(); }
    absl::Status Write(ByteView bytes) override { return inner_->Write(bytes); }
    absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) override {
      return inner_->Prepare(wanted);
    }
    absl::Status Commit(std::size_t written) override {
      owner_.Fire();
      return inner_->Commit(written);
    }
    absl::Status End(Entry entry) override { return inner_->End(std::move(entry)); }
    absl::Status Abandon() override { return inner_->Abandon(); }
    absl::Status Cut() override { return inner_->Cut(); }

   private:
    std::unique_ptr<source::ContentLane> inner_;
    HookedSnapshot& owner_;
  };

  MemorySnapshot& inner_;
  std::function<void()> hook_;
  std::atomic<bool> fired_ = false;
};

class BackupFaultTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = new PostgresServer;
    server_->Sql("postgres", "CREATE DATABASE shop");
    server_->Sql(
        "shop",
        "CREATE TABLE orders (id int, note text); INSERT INTO orders SELECT i, "
        "repeat('x', 200) FROM generate_series(1, 100000) i; CREATE TABLE tiny (a int); "
        "INSERT INTO tiny VALUES (1); CREATE ROLE reader LOGIN PASSWORD 'reader'; "
        "CREATE ROLE stranger LOGIN; CREATE SEQUENCE hidden; GRANT SELECT ON orders, tiny, "
        "hidden TO reader");
  }
  static void TearDownTestSuite() { delete server_; }

  // A program that answers --version like pg_dump and otherwise runs `script`.
  static std::string FakeDump(const TempDir& directory, const std::string& version,
                              const std::string& script) {
    const std::string path = directory / "pg_dump";
    std::ofstream(path) << "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) "
                        << version << "'; exit 0; fi\n"
                        << script << "\n";
    HOLDFAST_CHECK(::chmod(path.c_str(), 0755) == 0);
    return path;
  }

  static PostgresServer* server_;
};
PostgresServer* BackupFaultTest::server_ = nullptr;

TEST_F(BackupFaultTest, ConnectionLostInTheMiddleOfATableIsAnError) {
  MemorySnapshot memory;
  HookedSnapshot snapshot(memory, [] {
    server_->Sql("postgres",
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY "
                 "%orders%' AND pid <> pg_backend_pid()");
  });
  source::PostgresSource source(RealEnv(), SourceOptions(*server_, "shop"));
  const auto result = source.Read(snapshot, {});
  ASSERT_TRUE(snapshot.fired());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kSource);
  EXPECT_EQ(CodeOf(result.status()), 2104) << Render(result.status());
  EXPECT_THAT(MessageOf(result.status()), HasSubstr("public.orders"));
  EXPECT_EQ(memory.entries().count("data/public.orders.copy"), 0u);
}

TEST_F(BackupFaultTest, AnOlderDumpProgramIsRefusedBeforeAnythingIsRead) {
  const TempDir directory;
  auto options = SourceOptions(*server_, "shop");
  options.pg_dump = FakeDump(directory, "9.6.1", "exit 0");
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  EXPECT_EQ(CodeOf(result.status()), 2105);
  EXPECT_THAT(MessageOf(result.status()), testing::AllOf(HasSubstr("9.6.1"), HasSubstr("15.")));
  EXPECT_TRUE(snapshot.entries().empty());
}

TEST_F(BackupFaultTest, ADumpThatFailsAfterOutputIsAnError) {
  const TempDir directory;
  auto options = SourceOptions(*server_, "shop");
  options.pg_dump = FakeDump(directory, "99.1",
                             "echo '-- PostgreSQL database dump complete'; echo boom >&2; exit 1");
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kSource);
  EXPECT_THAT(MessageOf(result.status()), HasSubstr("boom"));
}

TEST_F(BackupFaultTest, ADumpThatEndsEarlyWithSuccessIsAnError) {
  const TempDir directory;
  auto options = SourceOptions(*server_, "shop");
  options.pg_dump = FakeDump(directory, "99.1", "echo 'CREATE TABLE t (a int);'; exit 0");
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  EXPECT_EQ(CodeOf(result.status()), 2106);
  EXPECT_THAT(MessageOf(result.status()), HasSubstr("ended early"));
}

TEST_F(BackupFaultTest, ALockNamesRelationAndBlocker) {
  const auto blocker = source::PgSession::Open(ConnectionTo(*server_, "shop"), {}).value();
  ASSERT_TRUE(blocker->Execute("BEGIN; LOCK TABLE tiny_missing_is_fine").code() !=
              absl::StatusCode::kOk);
  ASSERT_TRUE(blocker->Execute("ROLLBACK").ok());
  ASSERT_TRUE(blocker->Execute("BEGIN; LOCK TABLE public.tiny IN ACCESS EXCLUSIVE MODE").ok());
  const std::string pid = blocker->QueryValue("SELECT pg_backend_pid()").value();
  MemorySnapshot snapshot;
  const auto result = Backup(SourceOptions(*server_, "shop"), snapshot);
  EXPECT_EQ(CodeOf(result.status()), 2107) << Render(result.status());
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kSource);
  EXPECT_THAT(MessageOf(result.status()),
              testing::AllOf(HasSubstr("public.tiny"), HasSubstr("process " + pid)));
  EXPECT_TRUE(snapshot.entries().empty());
}

// The table is changed while the backup waits for its lock: after the snapshot, before the lock.
TEST_F(BackupFaultTest, ATableTruncatedBeforeItsLockIsNotReadAsEmpty) {
  server_->Sql("shop", "CREATE TABLE racy AS SELECT 1 AS a; ");
  const auto racer = source::PgSession::Open(ConnectionTo(*server_, "shop"), {}).value();
  ASSERT_TRUE(
      racer->Execute("BEGIN; TRUNCATE public.racy; INSERT INTO public.racy VALUES (1), (2)").ok());
  auto options = SourceOptions(*server_, "shop");
  options.lock_timeout = absl::Seconds(30);
  std::jthread commit([&] {
    for (int i = 0; i < 1000; ++i) {
      if (server_->Sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0\n")
        break;
      RealClock().SleepFor(absl::Milliseconds(20), {});
    }
    HOLDFAST_CHECK(racer->Execute("COMMIT").ok());
  });
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  commit.join();
  ASSERT_TRUE(result.ok()) << Render(result.status());
  EXPECT_EQ(snapshot.entries().at("data/public.racy.copy").rows, 2u);
  server_->Sql("shop", "DROP TABLE racy");
}

TEST_F(BackupFaultTest, TakingTooLongIsAnErrorAndSessionTimeoutsAreNot) {
  server_->Sql("postgres",
               "ALTER ROLE reader SET statement_timeout = '200ms'; ALTER ROLE reader SET "
               "idle_in_transaction_session_timeout = '100ms'");
  auto options = SourceOptions(*server_, "shop");
  options.connection.user = "reader";
  MemorySnapshot taken;
  // All sessions but that of the reading worker are idle in their transactions meanwhile.
  HookedSnapshot slow(taken, [] { RealClock().SleepFor(absl::Seconds(1), {}); });
  const auto result = source::PostgresSource(RealEnv(), options).Read(slow, {});
  EXPECT_TRUE(slow.fired());
  EXPECT_TRUE(result.ok()) << Render(result.status());
  EXPECT_EQ(taken.entries().at("data/public.orders.copy").rows, 100000u);
  server_->Sql("postgres", "ALTER ROLE reader RESET ALL");

  options.max_duration = absl::Microseconds(1);
  MemorySnapshot late;
  EXPECT_EQ(CodeOf(Backup(options, late).status()), 2113);
}

// The limit also holds when nothing moves any more: no row comes, no program ends.
TEST_F(BackupFaultTest, ADumpThatHangsEndsAtTheTimeLimit) {
  const TempDir directory;
  auto options = SourceOptions(*server_, "shop");
  options.pg_dump = FakeDump(directory, "99.1", "exec sleep 60");
  options.max_duration = absl::Seconds(2);
  MemorySnapshot snapshot;
  const absl::Duration started = RealClock().Monotonic();
  testing::internal::CaptureStderr();
  const absl::Status status = Backup(options, snapshot).status();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_LT(RealClock().Monotonic() - started, absl::Seconds(20));
  EXPECT_EQ(CodeOf(status), 2113) << Render(status);
  EXPECT_EQ(KindOf(status), ErrorKind::kSource);
  EXPECT_THAT(log, HasSubstr("half of the 2s")) << "no warning at half of the time";
  const auto open_snapshots = [] {
    return server_->Sql("postgres",
                        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in "
                        "transaction%'");
  };
  // The server notices a closed connection in its own time.
  for (int i = 0; i < 100 && open_snapshots() != "0\n"; ++i) {
    RealClock().SleepFor(absl::Milliseconds(50), {});
  }
  EXPECT_EQ(open_snapshots(), "0\n") << "a snapshot was left open";
}

TEST_F(BackupFaultTest, HalfOfTheTimeIsNoted) {
  // Half of the time is over at once, the rest of it never ends.
  class HalfClock final : public Clock {
   public:
    absl::Time Now() override { return RealClock().Now(); }
    absl::Duration Monotonic() override { return RealClock().Monotonic(); }
    bool SleepFor(absl::Duration, std::stop_token stop) override {
      return sleeps_++ == 0 || RealClock().SleepFor(absl::Hours(1), stop);
    }

   private:
    std::atomic<int> sleeps_ = 0;
  } clock;
  MemorySnapshot snapshot;
  source::PostgresSource source(Env{clock, RealRng(), RealFileSystem()},
                                SourceOptions(*server_, "shop"));
  // The note is written at the end; the watch had its first turn long before.
  const auto result = source.Read(snapshot, {});
  ASSERT_TRUE(result.ok()) << Render(result.status());
  EXPECT_THAT(result->notes, testing::Contains(HasSubstr("more than half of the 12h")));
}

TEST_F(BackupFaultTest, MissingRightsListObjectsAndGrants) {
  auto options = SourceOptions(*server_, "shop");
  options.connection.user = "stranger";
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  EXPECT_EQ(CodeOf(result.status()), 2114);
  EXPECT_EQ(ExitCodeOf(result.status()), 10);
  EXPECT_THAT(MessageOf(result.status()), HasSubstr("\"public\".\"orders\""));
  EXPECT_THAT(
      HintOf(result.status()),
      testing::AllOf(HasSubstr("GRANT SELECT ON TABLE \"public\".\"orders\" TO \"stranger\";"),
                     HasSubstr("GRANT SELECT ON SEQUENCE \"public\".\"hidden\"")));
  EXPECT_TRUE(snapshot.entries().empty());
}

TEST_F(BackupFaultTest, RowSecurityThatWouldHideRowsIsAnError) {
  server_->Sql("shop",
               "CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; GRANT "
               "SELECT ON guarded TO reader");
  auto options = SourceOptions(*server_, "shop");
  options.connection.user = "reader";
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  EXPECT_EQ(CodeOf(result.status()), 2114);
  EXPECT_EQ(ExitCodeOf(result.status()), 10);
  EXPECT_THAT(MessageOf(result.status()), HasSubstr("guarded"));
  EXPECT_THAT(HintOf(result.status()), HasSubstr("ALTER ROLE \"reader\" BYPASSRLS;"));
  EXPECT_TRUE(snapshot.entries().empty());
  server_->Sql("shop", "DROP TABLE guarded");
}

// Rights that only reading shows: those of large objects, and a row security that came after the
// check.
TEST_F(BackupFaultTest, RightsFoundMissingWhileReadingAreTheSourcesErrorToo) {
  server_->Sql("shop", "SELECT lo_from_bytea(4711, 'secret')");
  auto options = SourceOptions(*server_, "shop");
  options.connection.user = "reader";
  MemorySnapshot snapshot;
  const absl::Status status = Backup(options, snapshot).status();
  EXPECT_EQ(ExitCodeOf(status), 10) << Render(status);
  EXPECT_THAT(MessageOf(status), HasSubstr("large object"));
  EXPECT_NE(HintOf(status), "");
  server_->Sql("shop", "SELECT lo_unlink(4711)");
}

TEST_F(BackupFaultTest, AReaderWithoutSuperuserBacksUpWithNotes) {
  auto options = SourceOptions(*server_, "shop");
  options.connection.user = "reader";
  MemorySnapshot snapshot;
  const auto result = Backup(options, snapshot);
  ASSERT_TRUE(result.ok()) << Render(result.status());
  EXPECT_THAT(result->notes, testing::Contains(HasSubstr("passwords of roles")));
  EXPECT_EQ(result->summary, "2 tables, 100,001 rows");
  EXPECT_THAT(snapshot.ContentOf("globals.sql"), HasSubstr("CREATE ROLE stranger"));
  const auto report = Restore(snapshot, RestoreOptions(*server_, "shop_of_reader"));
  ASSERT_TRUE(report.ok()) << Render(report.status());
  EXPECT_EQ(server_->Rows("shop"), server_->Rows("shop_of_reader"));
}

TEST_F(BackupFaultTest, AWrongPasswordIsAPermissionErrorWithoutThePassword) {
  auto options = SourceOptions(*server_, "shop");
  options.connection.host = "127.0.0.1";
  options.connection.password = "not-the-password";
  source::PostgresSource wrong(RealEnv(), options);
  const absl::Status status = wrong.Check({});
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission);
  EXPECT_EQ(Render(status).find("not-the-password"), std::string::npos);

  options.connection.password = "secret";
  MemorySnapshot snapshot;
  EXPECT_TRUE(Backup(options, snapshot).ok()) << "the password must reach pg_dump too";
}

TEST_F(BackupFaultTest, NobodyListeningIsUnreachable) {
  auto options = SourceOptions(*server_, "shop");
  options.connection.host = "127.0.0.1";
  options.connection.port = 1;
  EXPECT_EQ(KindOf(source::PostgresSource(RealEnv(), options).Check({})), ErrorKind::kUnreachable);
}

}  // namespace
}  // namespace holdfast::test
