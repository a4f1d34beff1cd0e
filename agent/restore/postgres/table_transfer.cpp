// TransferTable: from the scratch database into one that is in use.
#include "agent/restore/postgres/single_table.h"
#include "agent/source/postgres/dump_program.h"
#include "agent/source/postgres/row_checksum.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

using source::QualifiedName;
using source::QuoteIdentifier;

class Transfer {
 public:
  Transfer(const TableTransfer& transfer, RestoreReport& report, std::stop_token stop)
      : transfer_(transfer), report_(report), stop_(stop), moved_(transfer.table.facts) {
    moved_.name = transfer.new_name;
    moved_.root_schema.clear();
    moved_.root_name.clear();
    full_name_ = QualifiedName(moved_.schema, moved_.name);
  }

  absl::Status Run() {
    ASSIGN_OR_RETURN(scratch_, source::PgSession::Open(transfer_.scratch.connection, stop_));
    RETURN_IF_ERROR(MakeNamesFree());
    ASSIGN_OR_RETURN(const std::string before, DumpTable("--section=pre-data"));
    ASSIGN_OR_RETURN(const std::string after, DumpTable("--section=post-data"));
    ASSIGN_OR_RETURN(target_, source::PgCopy::Open(transfer_.target.connection, stop_));
    RETURN_IF_ERROR(target_->Execute("BEGIN"));
    RETURN_IF_ERROR(ExecuteItems(before, true));
    RETURN_IF_ERROR(MoveRows());
    if (!report_.mismatches.empty()) return target_->Execute("ROLLBACK");
    RETURN_IF_ERROR(MoveSequences());
    RETURN_IF_ERROR(ExecuteItems(after, false));
    return target_->Execute("COMMIT");
  }

 private:
  // Under its new name, and with indexes and sequences that do not collide with existing ones.
  absl::Status MakeNamesFree() {
    ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> target,
                     source::PgSession::Open(transfer_.target.connection, stop_));
    ASSIGN_OR_RETURN(const bool existing,
                     target->QueryTrue("SELECT to_regclass($1) IS NOT NULL", {full_name_}));
    if (existing) {
      return Error(ErrorKind::kRefused, 3101,
                   fmt::format("unable to restore table '{}': database '{}' has one of that name",
                               Escaped(moved_.schema + "." + moved_.name),
                               Escaped(transfer_.target.connection.database)),
                   "Give another name for the table.");
    }
    const std::string old_name =
        QualifiedName(transfer_.table.facts.schema, transfer_.table.facts.name);
    if (old_name != full_name_) {
      RETURN_IF_ERROR(scratch_->Execute(
          fmt::format("ALTER TABLE {} RENAME TO {}", old_name, QuoteIdentifier(moved_.name))));
    }
    ASSIGN_OR_RETURN(
        const source::PgRows parts,
        scratch_->Query(
            "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.oid IN (SELECT indexrelid FROM pg_index "
            "WHERE indrelid = $1::regclass UNION SELECT objid FROM pg_depend WHERE "
            "refobjid = $1::regclass AND deptype IN ('a', 'i')) AND c.relkind IN ('i', "
            "'S')",
            {full_name_}));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::string part = QualifiedName(*parts[i][0], *parts[i][1]);
      ASSIGN_OR_RETURN(const bool taken,
                       target->QueryTrue("SELECT to_regclass($1) IS NOT NULL", {part}));
      if (!taken) continue;
      RETURN_IF_ERROR(scratch_->Execute(
          fmt::format("ALTER {} {} RENAME TO {}", parts[i][2] == "S" ? "SEQUENCE" : "INDEX", part,
                      QuoteIdentifier(fmt::format("{}_{}_{}", parts[i][1]->substr(0, 40), i,
                                                  ToHex(transfer_.options.env.rng.Draw(4)))))));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> DumpTable(const std::string& section) {
    ASSIGN_OR_RETURN(const source::DumpProgram program,
                     source::FindDumpProgram(transfer_.options.env.fs, transfer_.options.pg_dump,
                                             scratch_->server_version(), stop_));
    std::string script;
    RETURN_IF_ERROR(source::RunDump(
        {program.pg_dump,
         {"--format=plain", "--schema-only", section, "--table=" + full_name_},
         transfer_.scratch.connection},
        [&](ByteView piece) {
          script.append(piece);
          return absl::OkStatus();
        },
        stop_));
    return script;
  }

  // Table, defaults and sequences must be had; grants, triggers and foreign keys refer to what may
  // not exist in this database, and are listed when they cannot be made.
  absl::Status ExecuteItems(const std::string& script, bool before_rows) {
    const std::vector<DumpItem> items = SplitDump(script);
    for (const std::string& statement : SplitStatements(items[0].sql)) {
      RETURN_IF_ERROR(target_->Execute(statement));
    }
    for (std::size_t i = 1; i < items.size(); ++i) {
      const DumpItem& item = items[i];
      RETURN_IF_ERROR(target_->Execute("SAVEPOINT item"));
      std::string sql = item.sql;
      const std::size_t unchecked = sql.rfind(" NOT VALID;");
      if (item.type == "FK CONSTRAINT" && unchecked != std::string::npos) sql.erase(unchecked, 10);
      absl::Status status = target_->Execute(sql);
      if (status.ok()) continue;
      if (source::SqlStateOf(status).empty()) return status;
      const bool optional = !before_rows || item.type == "ACL" || item.type == "COMMENT";
      if (!optional) {
        return Error(ErrorKind::kRefused, 3103,
                     fmt::format("unable to restore table '{}' into database '{}': {}",
                                 Escaped(moved_.schema + "." + moved_.name),
                                 Escaped(transfer_.target.connection.database), MessageOf(status)),
                     "Create what is missing there, or restore the table into a new database.");
      }
      report_.skipped.push_back({item.type + " " + item.name, MessageOf(status)});
      RETURN_IF_ERROR(target_->Execute("ROLLBACK TO SAVEPOINT item"));
    }
    return absl::OkStatus();
  }

  absl::Status MoveRows() {
    RETURN_IF_ERROR(target_->CopyIn(CopyInSql(moved_, transfer_.encoding, source::CopyMode::kPlain),
                                    [&](source::PgCopy::WriteCopy write) -> absl::Status {
                                      for (const Entry& part : transfer_.table.parts) {
                                        RETURN_IF_ERROR(ReadVerified(transfer_.view, part, write));
                                      }
                                      return absl::OkStatus();
                                    }));
    source::RowChecksum found;
    RETURN_IF_ERROR(target_->CopyOut(CopyOutSql(moved_, transfer_.encoding), [&](ByteView row) {
      found.AddRow(row.substr(0, row.size() - 1));
      return absl::OkStatus();
    }));
    if (!(transfer_.table.rows() == found)) {
      report_.mismatches.push_back(
          {moved_.schema + "." + moved_.name, "the rows differ from those of the snapshot"});
    }
    return absl::OkStatus();
  }

  absl::Status MoveSequences() {
    ASSIGN_OR_RETURN(
        const source::PgRows sequences,
        scratch_->Query("SELECT n.nspname, c.relname FROM pg_depend d JOIN pg_class c ON c.oid = "
                        "d.objid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = "
                        "'S' AND d.deptype IN ('a', 'i') AND d.refobjid = $1::regclass",
                        {full_name_}));
    for (const source::PgRow& sequence : sequences) {
      const std::string name = QualifiedName(*sequence[0], *sequence[1]);
      ASSIGN_OR_RETURN(const source::PgRows value,
                       scratch_->Query("SELECT last_value, is_called FROM " + name));
      RETURN_IF_ERROR(target_->Execute(fmt::format("SELECT pg_catalog.setval({}, {}, {})",
                                                   source::QuoteLiteral(name), *value[0][0],
                                                   value[0][1] == "t" ? "true" : "false")));
    }
    return absl::OkStatus();
  }

  const TableTransfer& transfer_;
  RestoreReport& report_;
  std::stop_token stop_;
  source::TableFacts moved_;
  std::string full_name_;
  std::unique_ptr<source::PgSession> scratch_;
  std::unique_ptr<source::PgCopy> target_;
};

}  // namespace

absl::Status TransferTable(const TableTransfer& transfer, RestoreReport& report,
                           std::stop_token stop) {
  return Transfer(transfer, report, stop).Run();
}

}  // namespace holdfast::restore
