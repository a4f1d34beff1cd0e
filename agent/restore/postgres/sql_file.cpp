#include "agent/restore/postgres/sql_file.h"

#include "agent/restore/postgres/dump_script.h"
#include "agent/source/postgres/row_checksum.h"
#include "common/base/count_text.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

std::string AsComment(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    result += "-- ";
    result += text.substr(0, end + 1);
    text.remove_prefix(end + 1);
  }
  if (!result.empty() && result.back() != '\n') result += '\n';
  return result;
}

class Script {
 public:
  Script(const SnapshotView& view, const SnapshotContent& content, File& file)
      : view_(view), content_(content), file_(file) {}

  absl::Status Write(RestoreReport& report, RestoreProgress& progress, std::stop_token stop) {
    RETURN_IF_ERROR(Head());
    RETURN_IF_ERROR(file_.Append(content_.pre_data));
    // Names from here on are UTF-8; the rows say their own encoding.
    RETURN_IF_ERROR(file_.Append(content_.database.encoding == "SQL_ASCII"
                                     ? "\nSET client_encoding = 'SQL_ASCII';\n"
                                     : "\nSET client_encoding = 'UTF8';\n"));
    for (const StoredTable& table : content_.tables) {
      if (stop.stop_requested()) {
        return Error(ErrorKind::kFailed, 3107, "the restore was stopped");
      }
      RETURN_IF_ERROR(Rows(table, report));
      progress.Progressed(table.content_bytes(), table.parts.size());
    }
    for (const source::SequenceFacts& sequence : content_.sequences) {
      RETURN_IF_ERROR(file_.Append(
          fmt::format("SELECT pg_catalog.setval({}, {}, {});\n",
                      source::QuoteLiteral(source::QualifiedName(sequence.schema, sequence.name)),
                      source::QuoteLiteral(sequence.last_value), sequence.is_called)));
    }
    if (content_.large_objects) {
      RETURN_IF_ERROR(ReadVerified(view_, *content_.large_objects,
                                   [&](ByteView piece) { return file_.Append(piece); }));
    }
    for (const DumpItem& item : EventTriggersLast(SplitDump(content_.post_data))) {
      RETURN_IF_ERROR(file_.Append(item.sql));
    }
    return file_.Sync();
  }

 private:
  absl::Status Head() {
    const source::DatabaseFacts& facts = content_.database;
    std::string head = fmt::format(
        "-- Database {} from PostgreSQL {}. Load it into a new, empty database:\n"
        "--   createdb --template=template0 --encoding={} --lc-collate={} --lc-ctype={} NAME\n"
        "--   psql -X -v ON_ERROR_STOP=1 -d NAME -f THIS_FILE\n"
        "-- Its owner was {}. Roles of the old cluster, to be created first where missing:\n",
        Escaped(facts.name), facts.server_version / 10000, Escaped(facts.encoding),
        Escaped(facts.collate), Escaped(facts.ctype), Escaped(facts.owner));
    head += AsComment(content_.globals);
    for (const source::DatabaseSetting& setting : facts.settings) {
      head += fmt::format("-- setting of the database{}: {} = {}\n",
                          setting.role.empty() ? "" : " for role " + Escaped(setting.role),
                          Escaped(setting.name), Escaped(setting.value));
    }
    if (!facts.comment.empty()) head += "-- comment: " + Escaped(facts.comment, 4000) + "\n";
    return file_.Append(head + "\n");
  }

  absl::Status Rows(const StoredTable& table, RestoreReport& report) {
    RETURN_IF_ERROR(file_.Append(
        CopyInSql(table.facts, content_.database.encoding, source::CopyMode::kPlain) + ";\n"));
    source::RowChecksum found;
    source::RowSplitter splitter(found);
    for (const Entry& part : table.parts) {
      RETURN_IF_ERROR(ReadVerified(view_, part, [&](ByteView piece) {
        splitter.Feed(piece);
        return file_.Append(piece);
      }));
    }
    if (!splitter.AtRowEnd() || !(found == table.rows())) {
      return Error(ErrorKind::kIntegrity, 3111,
                   fmt::format("unable to write the rows of '{}': they are not those of the "
                               "snapshot",
                               Escaped(table.facts.schema + "." + table.facts.name)));
    }
    rows_ += found.rows();
    ++report.compared_items;
    report.compared_what =
        fmt::format("{} rows in {} tables", CountText(rows_), CountText(report.compared_items));
    return file_.Append("\\.\n\n");
  }

  const SnapshotView& view_;
  const SnapshotContent& content_;
  File& file_;
  std::uint64_t rows_ = 0;
};

}  // namespace

absl::StatusOr<RestoreReport> WriteSqlFile(const SnapshotView& view, const SnapshotContent& content,
                                           const PostgresRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop) {
  FileSystem& fs = options.env.fs;
  if (fs.Exists(options.sql_file)) {
    return Error(ErrorKind::kRefused, 3101,
                 fmt::format("unable to write '{}': it exists", Escaped(options.sql_file)),
                 "Choose another name or remove the file.");
  }
  const std::string partial = options.sql_file + ".partial-" + ToHex(options.env.rng.Draw(4));
  RestoreReport report;
  ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Create(partial));
  progress.Step("writing the script");
  absl::Status status = Script(view, content, *file).Write(report, progress, stop);
  file.reset();
  if (status.ok()) status = fs.Rename(partial, options.sql_file);
  if (status.ok()) status = fs.SyncDirectory(ParentPath(options.sql_file));
  if (!status.ok()) {
    (void)fs.Remove(partial);  // the first failure is the one to report
    return status;
  }
  report.restored_entries = view.info().entry_count;
  report.restored_bytes = content.total_bytes;
  report.target = options.sql_file;
  return report;
}

}  // namespace holdfast::restore
