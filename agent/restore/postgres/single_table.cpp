#include "agent/restore/postgres/single_table.h"

#include <algorithm>
#include <set>

#include "agent/restore/postgres/target_server.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

using source::QualifiedName;
using source::QuoteIdentifier;

bool IsNamed(const std::string& schema, const std::string& name, const std::string& wanted) {
  return !name.empty() &&
         (wanted == name || wanted == schema + "." + name || wanted == QualifiedName(schema, name));
}

// The table itself, or all leaves of a partitioned one.
absl::StatusOr<std::vector<StoredTable>> Chosen(const SnapshotContent& content,
                                                const std::string& wanted) {
  std::vector<StoredTable> chosen;
  std::set<std::string> names;
  for (const StoredTable& table : content.tables) {
    const source::TableFacts& facts = table.facts;
    if (IsNamed(facts.schema, facts.name, wanted)) {
      names.insert(QualifiedName(facts.schema, facts.name));
    } else if (IsNamed(facts.root_schema, facts.root_name, wanted)) {
      names.insert(QualifiedName(facts.root_schema, facts.root_name));
    } else {
      continue;
    }
    chosen.push_back(table);
  }
  if (names.empty()) {
    return Error(ErrorKind::kNotFound, 3106,
                 fmt::format("unable to restore table '{}': the snapshot has no such table",
                             Escaped(wanted)),
                 "List the snapshot's tables under data/.");
  }
  if (names.size() > 1) {
    return Error(ErrorKind::kUsage, 3108,
                 fmt::format("unable to restore table '{}': {} tables have that name",
                             Escaped(wanted), names.size()),
                 "Name its schema too, as schema.table.");
  }
  return chosen;
}

// In a scratch database owners that do not exist here are of no interest.
std::string WithoutForeignOwners(const std::string& script, const std::set<std::string>& roles) {
  std::string result;
  for (std::size_t begin = 0; begin < script.size();) {
    const std::size_t end = std::min(script.find('\n', begin), script.size() - 1);
    const std::string_view line = std::string_view(script).substr(begin, end + 1 - begin);
    begin = end + 1;
    const std::size_t owner = line.rfind(" OWNER TO ");
    const bool foreign = line.starts_with("ALTER ") && owner != std::string_view::npos &&
                         roles.count(LeadingIdentifier(line.substr(owner + 10))) == 0;
    if (!foreign) result += line;
  }
  return result;
}

// The scratch database lacks the rows a foreign key refers to; TransferTable validates it later.
std::string WithUncheckedKeys(const std::string& script) {
  std::string result;
  for (DumpItem& item : SplitDump(script)) {
    const std::size_t end = item.sql.rfind(';');
    if (item.type == "FK CONSTRAINT" && end != std::string::npos &&
        item.sql.find(" NOT VALID;") == std::string::npos) {
      item.sql.insert(end, " NOT VALID");
    }
    result += item.sql;
  }
  return result;
}

absl::StatusOr<std::set<std::string>> Column(source::PgSession& session, const std::string& sql,
                                             const std::vector<std::string>& parameters = {}) {
  ASSIGN_OR_RETURN(const source::PgRows rows, session.Query(sql, parameters));
  std::set<std::string> result;
  for (const source::PgRow& row : rows) result.insert(row[0].value_or(""));
  return result;
}

class TableRestore {
 public:
  TableRestore(const SnapshotView& view, SnapshotContent content,
               const PostgresRestoreOptions& options, RestoreProgress& progress,
               std::stop_token stop)
      : view_(view),
        content_(std::move(content)),
        options_(options),
        progress_(progress),
        stop_(stop) {}

  absl::StatusOr<RestoreReport> Run() {
    ASSIGN_OR_RETURN(content_.tables, Chosen(content_, options_.table));
    content_.large_objects.reset();
    RETURN_IF_ERROR(Inspect());
    if (into_existing_) {
      if (content_.tables[0].facts.name != Wanted() || content_.tables[0].facts.load_via_root) {
        return Error(ErrorKind::kUsage, 3108,
                     fmt::format("unable to restore the partitioned table '{}' into an existing "
                                 "database",
                                 Escaped(options_.table)),
                     "Restore it into a new database.");
      }
      content_.pre_data = WithoutForeignOwners(content_.pre_data, roles_);
      content_.post_data = WithUncheckedKeys(WithoutForeignOwners(content_.post_data, roles_));
      content_.database.roles.clear();
      content_.globals.clear();
    }
    ASSIGN_OR_RETURN(database_, TemporaryDatabase::Create(content_, options_, stop_));
    RETURN_IF_ERROR(database_->RestoreGlobals(report_.warnings));
    scratch_ = {database_->connection(), options_.workers, database_->superuser(),
                database_->missing_tablespaces(), options_.pages_per_part};
    RETURN_IF_ERROR(Fill());
    RETURN_IF_ERROR(into_existing_ ? IntoExisting() : IntoNew());
    return std::move(report_);
  }

 private:
  std::string Wanted() const {  // the name without its schema, when it is no partitioned table
    const source::TableFacts& facts = content_.tables[0].facts;
    return IsNamed(facts.schema, facts.name, options_.table) ? facts.name : "";
  }

  absl::Status Inspect() {
    ASSIGN_OR_RETURN(source::PostgresConnection connection,
                     source::WithPassword(options_.env.fs, options_.connection));
    if (connection.database.empty()) connection.database = "postgres";
    ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> server,
                     source::PgSession::Open(connection, stop_));
    ASSIGN_OR_RETURN(const std::set<std::string> databases,
                     Column(*server, "SELECT datname FROM pg_database"));
    into_existing_ = databases.count(options_.database) > 0;
    ASSIGN_OR_RETURN(roles_, Column(*server, "SELECT rolname FROM pg_roles"));
    connection.database = options_.database;
    target_ = {connection, 1, false, {}, options_.pages_per_part};
    return absl::OkStatus();
  }

  absl::Status Fill() {
    progress_.Step("restoring the schema");
    // What the chosen table does not need may be missing from a scratch database.
    const OnFailure forgive = [](const DumpItem&, absl::Status) { return absl::OkStatus(); };
    RETURN_IF_ERROR(
        ExecuteDump(scratch_, content_.pre_data, into_existing_ ? forgive : nullptr, stop_));
    progress_.Step("loading rows");
    RETURN_IF_ERROR(LoadRows(scratch_, view_, content_, progress_, stop_));
    if (into_existing_) RETURN_IF_ERROR(KeepOwnedSequences());
    RETURN_IF_ERROR(LoadSequences(scratch_, content_, stop_));
    progress_.Step("building indexes and constraints");
    const OnFailure list = [this](const DumpItem& item, absl::Status status) {
      if (!into_existing_) {
        report_.skipped.push_back({item.type + " " + item.name, MessageOf(status)});
      }
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(ExecuteDump(scratch_, content_.post_data, list, stop_));
    progress_.Step("comparing rows");
    RETURN_IF_ERROR(CompareAll(scratch_, content_, report_, stop_));
    for (const StoredTable& table : content_.tables) {
      report_.restored_entries += table.parts.size();
      report_.restored_bytes += table.content_bytes();
    }
    return absl::OkStatus();
  }

  absl::Status KeepOwnedSequences() {
    ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                     source::PgSession::Open(scratch_.connection, stop_));
    const source::TableFacts& table = content_.tables[0].facts;
    ASSIGN_OR_RETURN(
        const std::set<std::string> owned,
        Column(
            *session,
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_depend d JOIN pg_class c ON "
            "c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' "
            "AND d.deptype IN ('a', 'i') AND d.refobjid = $1::regclass",
            {QualifiedName(table.schema, table.name)}));
    std::vector<source::SequenceFacts> kept;
    for (const source::SequenceFacts& sequence : content_.sequences) {
      ASSIGN_OR_RETURN(const source::PgRows name,
                       session->Query("SELECT format('%I.%I', $1::text, $2::text)",
                                      {sequence.schema, sequence.name}));
      if (owned.count(name[0][0].value_or("")) > 0) kept.push_back(sequence);
    }
    content_.sequences = std::move(kept);
    return absl::OkStatus();
  }

  absl::Status IntoNew() {
    report_.target = options_.database;
    if (!report_.mismatches.empty()) return absl::OkStatus();
    if (!options_.into_table.empty()) {
      ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                       source::PgSession::Open(scratch_.connection, stop_));
      const source::TableFacts& facts = content_.tables[0].facts;
      const bool leaf = !Wanted().empty();
      RETURN_IF_ERROR(
          session->Execute(fmt::format("ALTER TABLE {} RENAME TO {}",
                                       leaf ? QualifiedName(facts.schema, facts.name)
                                            : QualifiedName(facts.root_schema, facts.root_name),
                                       QuoteIdentifier(options_.into_table))));
    }
    report_.warnings.push_back("the new database has the whole schema, but only this table's rows");
    RETURN_IF_ERROR(database_->ApplyProperties());
    return database_->Publish();
  }

  absl::Status IntoExisting() {
    report_.target = options_.database;
    if (!report_.mismatches.empty()) return absl::OkStatus();
    progress_.Step("moving the table into place");
    const std::string new_name =
        options_.into_table.empty() ? content_.tables[0].facts.name : options_.into_table;
    return TransferTable({view_, content_.tables[0], new_name, content_.database.encoding, scratch_,
                          target_, options_},
                         report_, stop_);
  }

  const SnapshotView& view_;
  SnapshotContent content_;
  const PostgresRestoreOptions& options_;
  RestoreProgress& progress_;
  std::stop_token stop_;
  bool into_existing_ = false;
  std::set<std::string> roles_;
  LoadTarget scratch_;
  LoadTarget target_;
  RestoreReport report_;
  std::unique_ptr<TemporaryDatabase> database_;  // last: dropped before what it refers to
};

}  // namespace

absl::StatusOr<RestoreReport> RestoreTable(const SnapshotView& view, SnapshotContent content,
                                           const PostgresRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop) {
  return TableRestore(view, std::move(content), options, progress, stop).Run();
}

}  // namespace holdfast::restore
