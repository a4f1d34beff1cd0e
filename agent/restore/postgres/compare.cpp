// CompareAll: what is in the database now against what the manifest recorded.
#include <map>
#include <mutex>

#include "agent/restore/postgres/database_loader.h"
#include "agent/restore/postgres/piece_workers.h"
#include "agent/source/postgres/row_checksum.h"
#include "common/base/count_text.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

using source::RowChecksum;

struct Sums {
  RowChecksum expected;
  RowChecksum found;
};

std::string GroupOf(const source::TableFacts& table) {
  return table.load_via_root ? table.root_schema + "." + table.root_name
                             : table.schema + "." + table.name;
}

absl::Status SumCopy(source::PgCopy& copy, const std::string& sql, RowChecksum& sum) {
  return copy.CopyOut(sql, [&](ByteView row) {
    sum.AddRow(row.substr(0, row.size() - 1));
    return absl::OkStatus();
  });
}

std::string Difference(const Sums& sums) {
  if (sums.expected.rows() != sums.found.rows()) {
    return fmt::format("{} rows instead of {}", CountText(sums.found.rows()),
                       CountText(sums.expected.rows()));
  }
  return "the rows have another checksum";
}

using TableName = std::pair<std::string, std::string>;

absl::StatusOr<std::map<TableName, std::uint64_t>> PagesOfLargeTables(const LoadTarget& target,
                                                                      source::PgSession& session) {
  ASSIGN_OR_RETURN(
      const source::PgRows rows,
      session.Query(fmt::format(
          "SELECT * FROM (SELECT n.nspname, c.relname, {} AS pages FROM pg_class c JOIN "
          "pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r') t WHERE pages > {}",
          source::kHeapPagesSql, target.pages_per_part)));
  std::map<TableName, std::uint64_t> pages;
  for (const source::PgRow& row : rows) {
    pages[{source::Text(row, 0), source::Text(row, 1)}] = std::stoull(source::Text(row, 2));
  }
  return pages;
}

// A table is read back by several workers too; its parts are those of the pages it has here.
absl::StatusOr<std::vector<TablePiece>> PiecesToRead(const LoadTarget& target,
                                                     const SnapshotContent& content,
                                                     std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  ASSIGN_OR_RETURN(const auto pages, PagesOfLargeTables(target, *session));
  std::vector<TablePiece> pieces;
  for (const StoredTable& table : content.tables) {
    source::TableFacts facts = table.facts;
    const auto found = pages.find({facts.schema, facts.name});
    facts.heap_pages = found == pages.end() ? 0 : found->second;
    ASSIGN_OR_RETURN(const std::vector<source::PageRange> parts,
                     PartsToRead(*session, facts, target.pages_per_part));
    for (const source::PageRange& part : parts) pieces.push_back({&table, nullptr, part});
  }
  return pieces;
}

absl::Status CompareRows(const LoadTarget& target, const SnapshotContent& content,
                         RestoreReport& report, std::stop_token stop) {
  std::mutex mutex;
  std::map<std::string, Sums> groups;
  for (const StoredTable& table : content.tables) {
    groups[GroupOf(table.facts)].expected.Add(table.rows());
  }
  ASSIGN_OR_RETURN(const std::vector<TablePiece> pieces, PiecesToRead(target, content, stop));
  RETURN_IF_ERROR(ForEachPiece(
      target, pieces,
      [&](const TablePiece& piece, source::PgCopy& copy) -> absl::Status {
        const source::TableFacts& table = piece.table->facts;
        RowChecksum sum;
        RETURN_IF_ERROR(
            SumCopy(copy, CopyOutSql(table, content.database.encoding, piece.pages), sum));
        const std::lock_guard lock(mutex);
        groups[GroupOf(table)].found.Add(sum);
        return absl::OkStatus();
      },
      stop));
  std::uint64_t rows = 0;
  for (const auto& [name, sums] : groups) {
    rows += sums.found.rows();
    if (!(sums.expected == sums.found)) report.mismatches.push_back({name, Difference(sums)});
  }
  report.compared_items += groups.size();
  report.compared_what =
      fmt::format("{} row{} in {} table{}", CountText(rows), rows == 1 ? "" : "s",
                  CountText(groups.size()), groups.size() == 1 ? "" : "s");
  return absl::OkStatus();
}

absl::Status CompareSequences(const LoadTarget& target, const SnapshotContent& content,
                              RestoreReport& report, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  for (const source::SequenceFacts& sequence : content.sequences) {
    ASSIGN_OR_RETURN(const source::PgRows rows,
                     session->Query("SELECT last_value, is_called FROM " +
                                    source::QualifiedName(sequence.schema, sequence.name)));
    const std::string called = sequence.is_called ? "t" : "f";
    if (rows.size() != 1 || rows[0][0] != sequence.last_value || rows[0][1] != called) {
      report.mismatches.push_back({sequence.schema + "." + sequence.name,
                                   fmt::format("the sequence is not at {}", sequence.last_value)});
    }
    ++report.compared_items;
  }
  return absl::OkStatus();
}

absl::Status CompareLargeObjects(const LoadTarget& target, const SnapshotContent& content,
                                 RestoreReport& report, std::stop_token stop) {
  if (!content.large_objects) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgCopy> copy,
                   source::PgCopy::Open(target.connection, stop));
  Sums sums;
  if (!sums.expected.AddStored(content.large_objects->rows.value_or(0),
                               content.large_objects->row_checksum)) {
    return Error(ErrorKind::kIntegrity, 3110,
                 "unable to compare large objects: the snapshot has no checksum of them");
  }
  RETURN_IF_ERROR(copy->Execute("BEGIN"));
  RETURN_IF_ERROR(SumCopy(*copy, source::LargeObjectsCopySql(), sums.found));
  RETURN_IF_ERROR(copy->Execute("COMMIT"));
  if (!(sums.expected == sums.found)) {
    report.mismatches.push_back({"large objects", "they differ from those of the snapshot"});
  }
  ++report.compared_items;
  return absl::OkStatus();
}

}  // namespace

absl::Status CompareAll(const LoadTarget& target, const SnapshotContent& content,
                        RestoreReport& report, std::stop_token stop) {
  RETURN_IF_ERROR(CompareRows(target, content, report, stop));
  RETURN_IF_ERROR(CompareSequences(target, content, report, stop));
  return CompareLargeObjects(target, content, report, stop);
}

}  // namespace holdfast::restore
