#include "agent/source/postgres/globals.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kGlobalsLimitBytes = 256u << 20;

absl::StatusOr<std::string> DumpGlobals(const PostgresConnection& connection,
                                        const DumpProgram& program,
                                        std::vector<std::string> arguments, std::stop_token stop) {
  std::string output;
  arguments.insert(arguments.end(),
                   {"--globals-only", "--no-password", "--database=" + connection.database});
  const auto collect = [&](ByteView piece) -> absl::Status {
    output.append(piece);
    if (output.size() <= kGlobalsLimitBytes) return absl::OkStatus();
    return Error(ErrorKind::kSource, 2106, "the roles of the cluster fill more than 256 MiB");
  };
  RETURN_IF_ERROR(RunDump({program.pg_dumpall, std::move(arguments), connection}, collect, stop));
  return output;
}

// From the views everybody may read; passwords and tablespaces are not in them.
absl::StatusOr<std::string> RolesFromViews(PgSession& session) {
  ASSIGN_OR_RETURN(
      const PgRows roles,
      session.Query("SELECT rolname, concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' ELSE "
                    "'NOSUPERUSER' END, CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, "
                    "CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN "
                    "rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END, CASE WHEN rolcanlogin THEN "
                    "'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN rolreplication THEN 'REPLICATION' ELSE "
                    "'NOREPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' ELSE "
                    "'NOBYPASSRLS' END, 'CONNECTION LIMIT ' || rolconnlimit) FROM pg_roles WHERE "
                    "rolname !~ '^pg_' ORDER BY 1"));
  ASSIGN_OR_RETURN(
      const PgRows memberships,
      session.Query("SELECT r.rolname, m.rolname, bool_or(a.admin_option) FROM pg_auth_members a "
                    "JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member WHERE "
                    "m.rolname !~ '^pg_' GROUP BY 1, 2 ORDER BY 1, 2"));
  std::string sql;
  for (const PgRow& role : roles) {
    const std::string name = QuoteIdentifier(Text(role, 0));
    sql += fmt::format("CREATE ROLE {};\nALTER ROLE {} WITH {};\n", name, name, Text(role, 1));
  }
  for (const PgRow& membership : memberships) {
    sql += fmt::format("GRANT {} TO {}{};\n", QuoteIdentifier(Text(membership, 0)),
                       QuoteIdentifier(Text(membership, 1)),
                       Text(membership, 2) == "t" ? " WITH ADMIN OPTION" : "");
  }
  return sql;
}

}  // namespace

absl::StatusOr<Globals> ReadGlobals(PgSession& session, const PostgresConnection& connection,
                                    const DumpProgram& program, std::stop_token stop) {
  Globals globals;
  ASSIGN_OR_RETURN(const bool superuser,
                   session.QueryTrue("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"));
  ASSIGN_OR_RETURN(
      const bool passwords,
      session.QueryTrue("SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')"));
  if (!superuser) {
    ASSIGN_OR_RETURN(
        const std::string subscriptions,
        session.QueryValue("SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM "
                           "pg_database WHERE datname = current_database())"));
    if (subscriptions != "0") {
      globals.notes.push_back("subscriptions were not taken: only a superuser can read them");
    }
    ASSIGN_OR_RETURN(const std::string mappings,
                     session.QueryValue("SELECT count(*) FROM pg_user_mappings"));
    if (mappings != "0") {
      globals.notes.push_back(
          "options of user mappings were taken only as far as this role may read them");
    }
  }
  if (passwords) {
    absl::StatusOr<std::string> all = DumpGlobals(connection, program, {}, stop);
    if (!all.ok()) return std::move(all).status();
    globals.sql = *std::move(all);
    return globals;
  }
  globals.notes.push_back("passwords of roles were not taken: pg_authid is not readable");
  absl::StatusOr<std::string> plain =
      DumpGlobals(connection, program, {"--no-role-passwords"}, stop);
  if (plain.ok()) {
    globals.sql = *std::move(plain);
    return globals;
  }
  globals.notes.push_back("settings of roles and tablespaces were not taken: pg_dumpall failed");
  ASSIGN_OR_RETURN(globals.sql, RolesFromViews(session));
  return globals;
}

}  // namespace holdfast::source
