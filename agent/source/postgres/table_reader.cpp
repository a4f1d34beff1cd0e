#include "agent/source/postgres/table_reader.h"

#include <atomic>
#include <cstring>
#include <thread>

#include "agent/source/postgres/row_checksum.h"
#include "common/base/error.h"
#include "common/concurrency/start_thread.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kWindowBytes = 256 * 1024;

// Fills a lane with rows: each is copied once, from libpq's buffer into the lane's.
class RowSink {
 public:
  explicit RowSink(ContentLane& lane) : lane_(lane) {}

  absl::Status Add(ByteView row) {
    checksum_.AddRow(row.substr(0, row.size() - 1));
    while (!row.empty()) {
      if (used_ == window_.size()) {
        RETURN_IF_ERROR(Flush());
        ASSIGN_OR_RETURN(window_, lane_.Prepare(kWindowBytes));
      }
      const std::size_t size = std::min(row.size(), window_.size() - used_);
      std::memcpy(window_.data() + used_, row.data(), size);
      used_ += size;
      row.remove_prefix(size);
    }
    return absl::OkStatus();
  }

  absl::Status Flush() {
    if (used_ > 0) RETURN_IF_ERROR(lane_.Commit(used_));
    used_ = 0;
    window_ = {};
    return absl::OkStatus();
  }

  const RowChecksum& checksum() const { return checksum_; }

 private:
  ContentLane& lane_;
  std::span<char> window_;
  std::size_t used_ = 0;
  RowChecksum checksum_;
};

class Workers {
 public:
  Workers(const TableReading& reading, SnapshotBuilder& builder)
      : reading_(reading), builder_(builder) {}

  void Work() {
    const absl::Status status = WorkUntilDone();
    errors_.Report(status);
  }

  FirstError& errors() { return errors_; }
  std::uint64_t rows() const { return rows_.load(); }

 private:
  absl::Status WorkUntilDone() {
    std::unique_ptr<ContentLane> lane;
    std::unique_ptr<PgCopy> copy;
    while (true) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= reading_.reads.size()) return absl::OkStatus();
      if (copy == nullptr) {
        ASSIGN_OR_RETURN(copy, PgCopy::Open(reading_.connection, errors_.stop_token()));
        RETURN_IF_ERROR(copy->Execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
        RETURN_IF_ERROR(
            copy->Execute("SET TRANSACTION SNAPSHOT " + QuoteLiteral(reading_.snapshot)));
        lane = builder_.OpenLane();
      }
      const TableRead& read = reading_.reads[index];
      const TableFacts& table = reading_.tables[read.table];
      RETURN_IF_ERROR(WithContext(
          ReadOne(table, read, *copy, *lane),
          fmt::format("unable to read table '{}'", Escaped(table.schema + "." + table.name))));
    }
  }

  absl::Status ReadOne(const TableFacts& table, const TableRead& read, PgCopy& copy,
                       ContentLane& lane) {
    // What a worker reads next is chance; a chunk shared by two tables or parts would be new each
    // day.
    RETURN_IF_ERROR(lane.Cut());
    RETURN_IF_ERROR(lane.Begin());
    RowSink sink(lane);
    std::uint64_t counted = 0;
    RETURN_IF_ERROR(copy.CopyOut(CopyOutSql(table, reading_.encoding, read.pages),
                                 [&](ByteView row) -> absl::Status {
                                   if (++counted % 4096 == 0) {
                                     builder_.Progressed(0, 4096);
                                     RETURN_IF_ERROR(reading_.check_time());
                                   }
                                   return sink.Add(row);
                                 }));
    RETURN_IF_ERROR(sink.Flush());
    Entry entry = TableEntry(table, read.part);
    entry.rows = sink.checksum().rows();
    entry.row_checksum = sink.checksum().bytes();
    rows_ += sink.checksum().rows();
    RETURN_IF_ERROR(lane.End(std::move(entry)));
    builder_.Progressed(0, counted % 4096);
    return reading_.check_time();
  }

  const TableReading& reading_;
  SnapshotBuilder& builder_;
  FirstError errors_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::uint64_t> rows_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<TableRead>> PlanReads(PgSession& session,
                                                 const std::vector<TableFacts>& tables,
                                                 std::uint64_t pages_per_part) {
  std::vector<TableRead> reads;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<PageRange> parts,
                     PartsToRead(session, tables[i], pages_per_part));
    const auto count = static_cast<std::uint32_t>(parts.size());
    for (std::uint32_t number = 0; number < count; ++number) {
      reads.push_back({i, {number, count}, parts[number]});
    }
  }
  return reads;
}

absl::StatusOr<std::uint64_t> ReadTableRows(
    const TableReading& reading, SnapshotBuilder& builder,
    absl::FunctionRef<absl::Status(std::stop_token)> meanwhile, std::stop_token stop) {
  Workers workers(reading, builder);
  const std::stop_callback forward(stop, [&] {
    workers.errors().Report(Error(ErrorKind::kFailed, 2112, "the run was stopped"));
  });
  {
    std::vector<std::jthread> threads;
    workers.errors().Report(StartThreads(std::max(1, reading.workers), &threads,
                                         [&] { return [&workers] { workers.Work(); }; }));
    workers.errors().Report(meanwhile(workers.errors().stop_token()));
  }
  RETURN_IF_ERROR(workers.errors().status());
  return workers.rows();
}

}  // namespace holdfast::source
