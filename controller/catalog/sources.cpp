// Sources and the last failure of each.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

#define SOURCE_COLUMNS                                                                           \
  "SELECT s.row,s.id,a.id,s.name,s.kind,s.head,s.agent,s.committing FROM source s JOIN agent a " \
  "ON a.row=s.agent "

absl::StatusOr<SourceState> ReadSource(const Statement& row) {
  SourceState state;
  SourceRow& source = state.source;
  source.row = row.Integer(0);
  ASSIGN_OR_RETURN(source.id, row.Id<SourceId>(1));
  ASSIGN_OR_RETURN(source.agent, row.Id<AgentId>(2));
  source.name = row.Blob(3);
  source.kind = row.Blob(4);
  source.head_seq = row.Unsigned(5);
  state.agent_row = row.Integer(6);
  state.committing = row.Unsigned(7);
  return state;
}

struct Owner {
  std::int64_t row = 0;
  Bytes domain;  // empty before it is published
  bool removed = false;
};

absl::StatusOr<Owner> OwnerOf(Statement statement) {
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  Owner owner;
  if (!found) return owner;
  owner.row = statement.Integer(0);
  owner.domain = statement.Blob(1);
  owner.removed = statement.Integer(2) != 0;
  return owner;
}

// A source moves to another agent only when its own was removed and both share the domain: a
// replaced host goes on where the old one stopped, and nobody takes over a living agent's source.
absl::Status CheckMayOwn(SqliteDb& db, const Owner& agent, const SourceRow& source) {
  ASSIGN_OR_RETURN(Statement statement,
                   db.Prepare("SELECT a.row,a.domain,a.removed FROM source s JOIN agent a "
                              "ON a.row=s.agent WHERE s.id=?1"));
  statement.Bind(source.id);
  ASSIGN_OR_RETURN(const Owner owner, OwnerOf(std::move(statement)));
  if (owner.row == 0 || owner.row == agent.row) return absl::OkStatus();
  if (owner.removed && !owner.domain.empty() && owner.domain == agent.domain) {
    return absl::OkStatus();
  }
  return Error(
      ErrorKind::kConflict, 5026,
      fmt::format("unable to add source '{}': it belongs to another agent", Escaped(source.name)),
      "A cloned machine must be enrolled as an agent of its own.");
}

}  // namespace

absl::StatusOr<SourceState> FindSource(SqliteDb& db, const SourceId& id) {
  ASSIGN_OR_RETURN(Statement row, db.Prepare(SOURCE_COLUMNS "WHERE s.id=?1"));
  ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
  if (found) return ReadSource(row);
  return Error(ErrorKind::kNotFound, 5022, fmt::format("unable to find source '{}'", id.hex()));
}

absl::Status SqliteCatalog::SetSources(const AgentId& agent,
                                       const std::vector<SourceRow>& sources) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement statement,
                     db.Prepare("SELECT row,domain,removed FROM agent WHERE id=?1"));
    statement.Bind(agent);
    ASSIGN_OR_RETURN(const Owner owner, OwnerOf(std::move(statement)));
    if (owner.row == 0) {
      return Error(ErrorKind::kNotFound, 5021,
                   fmt::format("unable to find agent '{}'", agent.hex()));
    }
    RETURN_IF_ERROR(db.Run("UPDATE source SET configured=0 WHERE agent=?1", owner.row));
    for (const SourceRow& source : sources) {
      RETURN_IF_ERROR(CheckMayOwn(db, owner, source));
      RETURN_IF_ERROR(
          db.Run("INSERT INTO source(id,agent,name,kind) VALUES(?1,?2,?3,?4) "
                 "ON CONFLICT(id) DO UPDATE SET agent=?2,name=?3,kind=?4,configured=1",
                 source.id, owner.row, source.name, source.kind));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<SourceRow>> SqliteCatalog::ListSources(bool configured_only) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<SourceRow>> {
    ASSIGN_OR_RETURN(Statement row,
                     db.Prepare(SOURCE_COLUMNS "WHERE s.configured>=?1 ORDER BY s.name,s.row"));
    row.Bind(configured_only);
    std::vector<SourceRow> sources;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return sources;
      ASSIGN_OR_RETURN(SourceState state, ReadSource(row));
      sources.push_back(std::move(state.source));
    }
  });
}

absl::StatusOr<SourceRow> SqliteCatalog::GetSource(const SourceId& id) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<SourceRow> {
    ASSIGN_OR_RETURN(SourceState state, FindSource(db, id));
    return std::move(state.source);
  });
}

absl::Status SqliteCatalog::RecordFailure(const SourceId& source, const RunFailure& failure) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    return db.Run(
        "INSERT INTO failure(source,at,exit_code,error_code,message) VALUES(?1,?2,?3,?4,?5) "
        "ON CONFLICT(source) DO UPDATE SET at=?2,exit_code=?3,error_code=?4,message=?5,"
        "in_row=in_row+1",
        state.source.row, failure.at_ms, failure.exit_code, failure.error_code, failure.message);
  });
}

absl::Status SqliteCatalog::ClearFailure(const SourceId& source) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    return db.Run("DELETE FROM failure WHERE source=?1", state.source.row);
  });
}

absl::StatusOr<std::optional<RunFailure>> SqliteCatalog::LastFailure(const SourceId& source) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::optional<RunFailure>> {
    ASSIGN_OR_RETURN(const SourceState state, FindSource(db, source));
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT at,exit_code,error_code,message,in_row FROM failure WHERE source=?1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(state.source.row).Step());
    if (!found) return std::nullopt;
    RunFailure failure;
    failure.at_ms = row.Unsigned(0);
    failure.exit_code = static_cast<std::uint32_t>(row.Integer(1));
    failure.error_code = static_cast<std::uint32_t>(row.Integer(2));
    failure.message = row.Blob(3);
    failure.in_row = row.Unsigned(4);
    return failure;
  });
}

}  // namespace holdfast::catalog
