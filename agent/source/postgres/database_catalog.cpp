// ReadDatabase: the facts no dump of a single database carries.
#include "agent/source/postgres/catalog.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

absl::StatusOr<std::vector<std::string>> Column(PgSession& session, const std::string& sql) {
  ASSIGN_OR_RETURN(const PgRows rows, session.Query(sql));
  std::vector<std::string> result;
  for (const PgRow& row : rows) result.push_back(Text(row, 0));
  return result;
}

constexpr char kThisDatabase[] = "(SELECT oid FROM pg_database WHERE datname = current_database())";

// "REVOKE ALL|FROM PUBLIC": what stands before and after ON DATABASE x.
absl::Status ReadGrants(PgSession& session, DatabaseFacts& facts) {
  ASSIGN_OR_RETURN(
      const PgRows rows,
      session.Query(
          "SELECT a.privilege_type, coalesce(r.rolname, ''), a.is_grantable, a.grantee = "
          "d.datdba FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = "
          "a.grantee WHERE d.datname = current_database() ORDER BY 2, 1"));
  if (rows.empty()) return absl::OkStatus();
  facts.grants = {"REVOKE ALL|FROM PUBLIC", "REVOKE ALL|FROM " + QuoteIdentifier(facts.owner)};
  for (const PgRow& row : rows) {
    const std::string grantee = Text(row, 1);
    facts.grants.push_back(fmt::format(
        "GRANT {}|TO {}{}", Text(row, 0), grantee.empty() ? "PUBLIC" : QuoteIdentifier(grantee),
        Text(row, 2) == "t" && Text(row, 3) != "t" ? " WITH GRANT OPTION" : ""));
  }
  return absl::OkStatus();
}

absl::Status ReadSettings(PgSession& session, DatabaseFacts& facts) {
  ASSIGN_OR_RETURN(
      const PgRows rows,
      session.Query(fmt::format(
          "SELECT coalesce(r.rolname, ''), split_part(c.item, '=', 1), substr(c.item, "
          "strpos(c.item, '=') + 1) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = "
          "s.setrole, unnest(s.setconfig) WITH ORDINALITY AS c(item, n) WHERE s.setdatabase = {} "
          "ORDER BY 1, c.n",
          kThisDatabase)));
  for (const PgRow& row : rows)
    facts.settings.push_back({Text(row, 0), Text(row, 1), Text(row, 2)});
  return absl::OkStatus();
}

// The first superuser is in no dependency record; it is needed when it owns anything here.
std::string RolesSql() {
  std::string owned;
  for (const auto& [catalog, column] :
       {std::pair{"pg_class", "relowner"}, std::pair{"pg_proc", "proowner"},
        std::pair{"pg_namespace", "nspowner"}, std::pair{"pg_type", "typowner"},
        std::pair{"pg_largeobject_metadata", "lomowner"}, std::pair{"pg_event_trigger", "evtowner"},
        std::pair{"pg_publication", "pubowner"}, std::pair{"pg_foreign_server", "srvowner"}}) {
    owned += fmt::format(
        "{}EXISTS (SELECT 1 FROM {} o WHERE o.{} = 10 AND o.oid >= 16384 AND NOT EXISTS (SELECT 1 "
        "FROM pg_depend d WHERE d.classid = '{}'::regclass AND d.objid = o.oid AND d.deptype IN "
        "('e', 'i')))",
        owned.empty() ? "" : " OR ", catalog, column, catalog);
  }
  return fmt::format(
      "SELECT r.rolname FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid WHERE "
      "d.refclassid = 'pg_authid'::regclass AND (d.dbid = {0} OR (d.classid = "
      "'pg_database'::regclass AND d.objid = {0})) AND r.rolname !~ '^pg_' UNION SELECT rolname "
      "FROM pg_roles r JOIN pg_database b ON r.oid = b.datdba WHERE b.oid = {0} UNION SELECT "
      "rolname FROM pg_roles WHERE oid = 10 AND ({1}) UNION SELECT rolname FROM "
      "pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = {0} "
      "ORDER BY 1",
      kThisDatabase, owned);
}

}  // namespace

absl::StatusOr<DatabaseFacts> ReadDatabase(PgSession& session) {
  const int major = session.server_major();
  const std::string locale = major >= 17   ? "d.datlocprovider, d.datlocale"
                             : major >= 15 ? "d.datlocprovider, d.daticulocale"
                                           : "'c', NULL";
  ASSIGN_OR_RETURN(
      const PgRows rows,
      session.Query(fmt::format(
          "SELECT d.datname, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), "
          "d.datcollate, d.datctype, {}, t.spcname, d.datconnlimit, d.datistemplate, "
          "shobj_description(d.oid, 'pg_database') FROM pg_database d JOIN pg_tablespace t ON "
          "t.oid = d.dattablespace WHERE d.datname = current_database()",
          locale)));
  if (rows.size() != 1)
    return Error(ErrorKind::kSource, 2103, "the database is not in pg_database");
  const PgRow& row = rows[0];
  DatabaseFacts facts;
  facts.server_version = session.server_version();
  facts.name = Text(row, 0);
  facts.owner = Text(row, 1);
  facts.encoding = Text(row, 2);
  facts.collate = Text(row, 3);
  facts.ctype = Text(row, 4);
  facts.locale_provider = Text(row, 5);
  facts.icu_locale = Text(row, 6);
  facts.tablespace = Text(row, 7);
  facts.connection_limit = std::stoll(Text(row, 8));
  facts.is_template = Text(row, 9) == "t";
  facts.comment = Text(row, 10);
  RETURN_IF_ERROR(ReadGrants(session, facts));
  RETURN_IF_ERROR(ReadSettings(session, facts));
  ASSIGN_OR_RETURN(facts.extensions,
                   Column(session, "SELECT extname FROM pg_extension ORDER BY 1"));
  ASSIGN_OR_RETURN(facts.roles, Column(session, RolesSql()));
  ASSIGN_OR_RETURN(facts.tablespaces,
                   Column(session,
                          "SELECT DISTINCT t.spcname FROM pg_class c JOIN pg_tablespace t ON t.oid "
                          "= c.reltablespace WHERE t.spcname !~ '^pg_' ORDER BY 1"));
  ASSIGN_OR_RETURN(
      facts.subscriptions,
      Column(session,
             fmt::format("SELECT subname FROM pg_subscription WHERE subdbid = {} ORDER BY 1",
                         kThisDatabase)));
  return facts;
}

}  // namespace holdfast::source
