#include "agent/source/postgres/postgres_source.h"

#include <limits>

#include "agent/source/postgres/catalog.h"
#include "agent/source/postgres/globals.h"
#include "agent/source/postgres/row_checksum.h"
#include "agent/source/postgres/table_reader.h"
#include "agent/source/postgres/time_limit.h"
#include "common/base/count_text.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

// One run: the leader's session keeps the snapshot open until all is read.
class Run {
 public:
  Run(Env env, const PostgresOptions& options, std::stop_token stop)
      : env_(env),
        options_(options),
        limit_(env.clock, options.max_duration, stop),
        stop_(limit_.stop_token()) {}

  // Everything that can be refused before anything is read.
  absl::Status Open() { return Explained(TryOpen()); }

  absl::StatusOr<SourceResult> Read(SnapshotBuilder& builder) {
    auto result = TryRead(builder);
    if (!result.ok()) return Explained(result.status());
    return result;
  }

 private:
  absl::Status TryOpen() {
    ASSIGN_OR_RETURN(connection_, WithPassword(env_.fs, options_.connection));
    ASSIGN_OR_RETURN(leader_, PgSession::Open(connection_, stop_));
    ASSIGN_OR_RETURN(program_,
                     FindDumpProgram(env_.fs, options_.pg_dump, leader_->server_version(), stop_));
    ASSIGN_OR_RETURN(standby_, leader_->QueryTrue("SELECT pg_is_in_recovery()"));
    return CheckPrivileges(*leader_);
  }

  // What the run failed of, whoever noticed it first.
  absl::Status Explained(absl::Status status) const {
    status = limit_.Explain(std::move(status));
    // A right that went away after the check, or that only reading shows (large objects).
    if (KindOf(status) != ErrorKind::kPermission || CodeOf(status) != 2103) return status;
    return Error(ErrorKind::kSource, 2114, MessageOf(status),
                 "Grant the role of this source what is named here, or run as a superuser.");
  }

  absl::StatusOr<SourceResult> TryRead(SnapshotBuilder& builder) {
    absl::Status begun = Begin();
    if (CodeOf(begun) == kChangedCode || CodeOf(begun) == 2103) {
      // Lost a race against DDL; the second try sees its outcome.
      if (leader_->Execute("ROLLBACK").ok() && !SqlStateOf(begun).starts_with("42501")) {
        begun = Begin();
      }
    }
    RETURN_IF_ERROR(begun);
    ASSIGN_OR_RETURN(database_, ReadDatabase(*leader_));
    NotePosition();
    std::uint64_t expected = 0;
    for (const TableFacts& table : tables_) expected += table.size_bytes;
    // A single worker gains nothing by parts.
    ASSIGN_OR_RETURN(std::vector<TableRead> reads,
                     PlanReads(*leader_, tables_,
                               options_.workers > 1 ? options_.pages_per_part
                                                    : std::numeric_limits<std::uint64_t>::max()));
    builder.ExpectTotal(expected, reads.size() + 5);

    const std::size_t table_count = tables_.size();
    TableReading reading{connection_,
                         snapshot_,
                         database_.encoding,
                         std::move(tables_),
                         std::move(reads),
                         options_.workers,
                         [this] { return limit_.Check(); }};
    ASSIGN_OR_RETURN(const std::uint64_t rows,
                     ReadTableRows(
                         reading, builder,
                         [&](std::stop_token stop) { return ReadRest(builder, stop); }, stop_));
    // A leader that was lost meanwhile may have lost the locks too.
    RETURN_IF_ERROR(leader_->Execute("COMMIT"));
    return Result(table_count, rows);
  }

  absl::Status Begin() {
    RETURN_IF_ERROR(leader_->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    ASSIGN_OR_RETURN(snapshot_, leader_->QueryValue("SELECT pg_export_snapshot()"));
    ASSIGN_OR_RETURN(const std::unique_ptr<PgSession> observer,
                     PgSession::Open(connection_, stop_));
    RETURN_IF_ERROR(LockTables(*leader_, *observer, options_.lock_timeout));
    ASSIGN_OR_RETURN(tables_, ReadTables(*leader_, {options_.unlogged_data, standby_}));
    ASSIGN_OR_RETURN(sequences_, ReadSequences(*leader_));
    return absl::OkStatus();
  }

  // In a session of its own: a refused statement would end the leader's transaction.
  void NotePosition() {
    const auto session = PgSession::Open(connection_, stop_);
    if (!session.ok()) return;
    const auto position = (*session)->QueryValue(standby_ ? "SELECT pg_last_wal_replay_lsn()"
                                                          : "SELECT pg_current_wal_lsn()");
    if (position.ok()) {
      result_.position = *position;
    } else {
      result_.notes.push_back("the write-ahead log position is not readable for this role");
    }
  }

  // All that is not rows, on the leader's thread while the workers read.
  absl::Status ReadRest(SnapshotBuilder& builder, std::stop_token stop) {
    const std::unique_ptr<ContentLane> lane = builder.OpenLane();
    RETURN_IF_ERROR(Dump(*lane, "pre-data.sql", {"--section=pre-data"}, stop));
    RETURN_IF_ERROR(Dump(*lane, "post-data.sql", {"--section=post-data"}, stop));
    ASSIGN_OR_RETURN(const std::string sequences, EncodeSequences(sequences_));
    RETURN_IF_ERROR(WriteWhole(*lane, "sequences.json", sequences));
    ASSIGN_OR_RETURN(const std::string database, EncodeDatabase(database_));
    RETURN_IF_ERROR(WriteWhole(*lane, "database.json", database));
    RETURN_IF_ERROR(ReadLargeObjects(*lane, stop));
    ASSIGN_OR_RETURN(Globals globals, ReadGlobals(*leader_, connection_, program_, stop));
    for (std::string& note : globals.notes) result_.notes.push_back(std::move(note));
    return WriteWhole(*lane, "globals.sql", globals.sql);
  }

  absl::Status Dump(ContentLane& lane, const std::string& path, std::vector<std::string> arguments,
                    std::stop_token stop, Entry entry = {}) {
    RETURN_IF_ERROR(lane.Cut());
    RETURN_IF_ERROR(lane.Begin());
    arguments.insert(
        arguments.end(),
        {"--format=plain", "--snapshot=" + snapshot_,
         fmt::format("--lock-wait-timeout={}", absl::ToInt64Milliseconds(options_.lock_timeout))});
    if (standby_) arguments.push_back("--no-unlogged-table-data");
    RETURN_IF_ERROR(RunDump(
        {program_.pg_dump, std::move(arguments), connection_},
        [&](ByteView bytes) { return lane.Write(bytes); }, stop));
    entry.path = path;
    return lane.End(std::move(entry));
  }

  absl::Status WriteWhole(ContentLane& lane, const std::string& path, ByteView content) {
    RETURN_IF_ERROR(lane.Cut());
    RETURN_IF_ERROR(lane.Begin());
    RETURN_IF_ERROR(lane.Write(content));
    Entry entry;
    entry.path = path;
    return lane.End(std::move(entry));
  }

  absl::Status ReadLargeObjects(ContentLane& lane, std::stop_token stop) {
    ASSIGN_OR_RETURN(const std::string count,
                     leader_->QueryValue("SELECT count(*) FROM pg_largeobject_metadata"));
    if (count == "0") return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::unique_ptr<PgCopy> copy, PgCopy::Open(connection_, stop));
    RETURN_IF_ERROR(copy->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    RETURN_IF_ERROR(copy->Execute("SET TRANSACTION SNAPSHOT " + QuoteLiteral(snapshot_)));
    RowChecksum checksum;
    RETURN_IF_ERROR(WithContext(copy->CopyOut(LargeObjectsCopySql(),
                                              [&](ByteView row) {
                                                checksum.AddRow(row.substr(0, row.size() - 1));
                                                return absl::OkStatus();
                                              }),
                                "unable to read large objects"));
    Entry entry;
    entry.rows = checksum.rows();
    entry.row_checksum = checksum.bytes();
    entry.attributes["count"] = count;
    // With every table's rows excluded, the data section holds exactly the large objects; '*' alone
    // would match only what search_path shows.
    return Dump(lane, "large-objects.sql",
                {"--section=data", "--exclude-table-data=*.*", "--blobs"}, stop, std::move(entry));
  }

  SourceResult Result(std::size_t table_count, std::uint64_t rows) {
    if (limit_.half_is_used()) {
      result_.notes.push_back(
          fmt::format("the backup took more than half of the {} it may keep a snapshot open",
                      absl::FormatDuration(options_.max_duration)));
    }
    if (standby_)
      result_.notes.push_back("read from a standby: unlogged tables have no rows there");
    if (!options_.unlogged_data) result_.notes.push_back("rows of unlogged tables were not taken");
    result_.attributes = {{"database", database_.name},
                          {"server_version", VersionText(database_.server_version)},
                          {"encoding", database_.encoding},
                          {"pg_dump_version", program_.version}};
    result_.summary =
        fmt::format("{} table{}, {} row{}", CountText(table_count), table_count == 1 ? "" : "s",
                    CountText(rows), rows == 1 ? "" : "s");
    return std::move(result_);
  }

  Env env_;
  const PostgresOptions& options_;
  TimeLimit limit_;
  std::stop_token stop_;  // of limit_
  PostgresConnection connection_;
  std::unique_ptr<PgSession> leader_;
  DumpProgram program_;
  bool standby_ = false;
  std::string snapshot_;
  std::vector<TableFacts> tables_;
  std::vector<SequenceFacts> sequences_;
  DatabaseFacts database_;
  SourceResult result_;
};

}  // namespace

absl::Status PostgresSource::Check(std::stop_token stop) {
  return Run(env_, options_, stop).Open();
}

absl::StatusOr<SourceResult> PostgresSource::Read(SnapshotBuilder& builder, std::stop_token stop) {
  Run run(env_, options_, stop);
  RETURN_IF_ERROR(run.Open());
  return run.Read(builder);
}

}  // namespace holdfast::source
