#include "agent/restore/postgres/database_loader.h"

#include "agent/restore/postgres/piece_workers.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

absl::Status Refused(const DumpItem& item, const absl::Status& status) {
  const bool keep =
      KindOf(status) == ErrorKind::kNoSpace || CodeOf(status) == 2104 || CodeOf(status) == 2112;
  const std::string what =
      fmt::format("unable to restore {} '{}'", item.type.empty() ? "preamble" : item.type,
                  Escaped(item.schema.size() > 1 ? item.schema + "." + item.name : item.name));
  if (keep) return WithContext(status, what);
  return Error(ErrorKind::kFailed, 3105, fmt::format("{}: {}", what, MessageOf(status)));
}

// A newer pg_dump sets parameters an older server does not know.
absl::Status ExecutePreamble(source::PgSession& session, const DumpItem& preamble) {
  for (const std::string& statement : SplitStatements(preamble.sql)) {
    const absl::Status status = session.Execute(statement);
    const bool unknown = source::SqlStateOf(status) == "42704" && statement.starts_with("SET ");
    if (!status.ok() && !unknown) return Refused(preamble, status);
  }
  return absl::OkStatus();
}

// pg_dump sets default_tablespace between items, at the start of a line.
std::string WithoutTablespaces(std::string sql, const std::vector<std::string>& missing) {
  for (const std::string& name : missing) {
    for (const std::string& printed : {name, source::QuoteIdentifier(name)}) {
      const std::string line = fmt::format("\nSET default_tablespace = {};\n", printed);
      for (std::size_t at = sql.find(line); at != std::string::npos; at = sql.find(line)) {
        sql.replace(at, line.size(), "\nSET default_tablespace = '';\n");
      }
    }
  }
  return sql;
}

}  // namespace

absl::Status ExecuteDump(const LoadTarget& target, const std::string& script,
                         const OnFailure& on_failure, std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  const std::vector<DumpItem> items = EventTriggersLast(SplitDump(script));
  RETURN_IF_ERROR(ExecutePreamble(*session, items.front()));
  if (target.superuser) {
    RETURN_IF_ERROR(session->Execute("SET session_replication_role = replica"));
  }
  for (std::size_t i = 1; i < items.size(); ++i) {
    const absl::Status status =
        session->Execute(WithoutTablespaces(items[i].sql, target.missing_tablespaces));
    if (status.ok()) continue;
    const absl::Status refused = Refused(items[i], status);
    RETURN_IF_ERROR(on_failure ? on_failure(items[i], refused) : refused);
  }
  return absl::OkStatus();
}

absl::Status LoadRows(const LoadTarget& target, const SnapshotView& view,
                      const SnapshotContent& content, RestoreProgress& progress,
                      std::stop_token stop) {
  std::vector<const Entry*> order;
  std::vector<TablePiece> pieces;
  for (const StoredTable& table : content.tables) {
    for (const Entry& part : table.parts) {
      order.push_back(&part);
      pieces.push_back({&table, &part, {}});
    }
  }
  view.Prefetch(order);
  return ForEachPiece(
      target, pieces,
      [&](const TablePiece& piece, source::PgCopy& copy) -> absl::Status {
        const StoredTable& table = *piece.table;
        // A table emptied in the same transaction takes its rows frozen, and VACUUM need not come
        // back for them. Of several transactions that fill a table none can have that.
        const bool frozen =
            !table.facts.load_via_root && !table.facts.extension_owned && table.parts.size() == 1;
        RETURN_IF_ERROR(copy.Execute("BEGIN"));
        if (frozen) {
          RETURN_IF_ERROR(copy.Execute(
              "TRUNCATE ONLY " + source::QualifiedName(table.facts.schema, table.facts.name)));
        }
        RETURN_IF_ERROR(
            copy.CopyIn(CopyInSql(table.facts, content.database.encoding,
                                  frozen ? source::CopyMode::kFrozen : source::CopyMode::kPlain),
                        [&](source::PgCopy::WriteCopy write) {
                          return ReadVerified(view, *piece.entry, [&](ByteView piece) {
                            progress.Progressed(piece.size(), 0);
                            return write(piece);
                          });
                        }));
        RETURN_IF_ERROR(copy.Execute("COMMIT"));
        progress.Progressed(0, 1);
        return absl::OkStatus();
      },
      stop);
}

absl::Status LoadSequences(const LoadTarget& target, const SnapshotContent& content,
                           std::stop_token stop) {
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  for (const source::SequenceFacts& sequence : content.sequences) {
    RETURN_IF_ERROR(
        WithContext(session
                        ->Query("SELECT pg_catalog.setval($1::regclass, $2::bigint, $3::boolean)",
                                {source::QualifiedName(sequence.schema, sequence.name),
                                 sequence.last_value, sequence.is_called ? "t" : "f"})
                        .status(),
                    fmt::format("unable to set sequence '{}'",
                                Escaped(sequence.schema + "." + sequence.name))));
  }
  return absl::OkStatus();
}

absl::Status LoadLargeObjects(const LoadTarget& target, const SnapshotView& view,
                              const SnapshotContent& content, std::stop_token stop) {
  if (!content.large_objects) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<source::PgSession> session,
                   source::PgSession::Open(target.connection, stop));
  StatementStream statements([&](const std::string& statement) {
    return WithContext(session->Execute(statement), "unable to restore large objects");
  });
  RETURN_IF_ERROR(ReadVerified(view, *content.large_objects,
                               [&](ByteView piece) { return statements.Feed(piece); }));
  if (statements.AtEnd()) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 3110,
               "unable to restore large objects: their script ends inside a statement");
}

}  // namespace holdfast::restore
