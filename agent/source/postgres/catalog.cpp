#include "agent/source/postgres/catalog.h"

#include <map>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr char kUserSchema[] = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

// Members of an extension come back with CREATE EXTENSION, but for its configuration tables.
constexpr char kNotExtension[] =
    "(NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = "
    "c.oid AND d.deptype = 'e') OR EXISTS (SELECT 1 FROM pg_extension e WHERE c.oid = "
    "ANY(e.extconfig)))";

bool True(const PgRow& row, std::size_t column) { return row[column] == "t"; }

// What must be the same in the snapshot and now, or the rows read would not be those of the
// snapshot: TRUNCATE and rewriting ALTERs change the file node, the others the columns.
std::string ShapesSql() {
  return fmt::format(
      "SELECT c.oid, n.nspname, c.relname, c.relfilenode || ' ' || c.relkind::text || ' ' || "
      "coalesce((SELECT string_agg(a.attname || ' ' || a.atttypid || ' ' || a.attisdropped || ' ' "
      "|| a.attgenerated::text, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = "
      "c.oid AND "
      "a.attnum > 0), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
      "c.relkind IN ('r', 'p') AND c.relpersistence IN ('p', 'u') AND {} AND {} ORDER BY 2, 3",
      kUserSchema, kNotExtension);
}

absl::Status LockError(PgSession& observer, const PgRow& table, absl::Duration timeout) {
  std::string blocker = "an unknown process";
  const absl::StatusOr<PgRows> holders = observer.Query(
      "SELECT l.pid, a.usename, a.application_name FROM pg_locks l LEFT JOIN pg_stat_activity a "
      "USING (pid) WHERE l.locktype = 'relation' AND l.relation = $1::oid AND l.mode = "
      "'AccessExclusiveLock' ORDER BY l.granted DESC LIMIT 1",
      {Text(table, 0)});
  if (holders.ok() && !holders->empty()) {
    blocker = fmt::format("process {} (user '{}', application '{}')", Text((*holders)[0], 0),
                          Escaped(Text((*holders)[0], 1)), Escaped(Text((*holders)[0], 2)));
  }
  return Error(ErrorKind::kSource, 2107,
               fmt::format("unable to lock table '{}' within {}: {} holds or awaits an exclusive "
                           "lock",
                           Escaped(Text(table, 1) + "." + Text(table, 2)),
                           absl::FormatDuration(timeout), blocker),
               "Let that transaction end, or run the backup at a time without schema changes.");
}

absl::Status ChangedError(std::string_view name) {
  return Error(ErrorKind::kSource, kChangedCode,
               fmt::format("unable to read table '{}': it was changed or dropped while the backup "
                           "was starting",
                           Escaped(name)),
               "Run the backup at a time without schema changes.");
}

}  // namespace

absl::StatusOr<std::vector<TableFacts>> ReadTables(PgSession& session,
                                                   const CatalogOptions& options) {
  const bool unlogged = options.unlogged_data && !options.standby;
  ASSIGN_OR_RETURN(
      const PgRows rows,
      session.Query(fmt::format(
          "SELECT c.oid, n.nspname, c.relname, rn.nspname, r.relname, h.hashed, (SELECT "
          "string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE "
          "a.attrelid = CASE WHEN h.hashed THEN r.oid ELSE c.oid END AND a.attnum > 0 AND NOT "
          "a.attisdropped AND a.attgenerated = ''), e.condition, e.member, "
          "pg_relation_size(c.oid), {} FROM pg_class c JOIN pg_namespace n ON n.oid = "
          "c.relnamespace LEFT JOIN pg_class r ON c.relispartition AND r.oid = "
          "pg_partition_root(c.oid) LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace CROSS "
          "JOIN LATERAL (SELECT c.relispartition AND EXISTS (SELECT 1 FROM "
          "pg_partition_ancestors(c.oid) a JOIN pg_partitioned_table p ON p.partrelid = a.relid "
          "WHERE p.partstrat = 'h') AS hashed) h LEFT JOIN LATERAL (SELECT true AS member, "
          "x.extcondition[array_position(x.extconfig, c.oid)] AS condition FROM pg_extension x "
          "WHERE c.oid = ANY(x.extconfig) LIMIT 1) e ON true WHERE c.relkind = 'r' AND "
          "c.relpersistence IN ({}) AND {} AND {} ORDER BY 10 DESC, 2, 3",
          kHeapPagesSql, unlogged ? "'p', 'u'" : "'p'", kUserSchema, kNotExtension)));
  std::vector<TableFacts> tables;
  for (const PgRow& row : rows) {
    TableFacts table;
    table.oid = Text(row, 0);
    table.schema = Text(row, 1);
    table.name = Text(row, 2);
    table.root_schema = Text(row, 3);
    table.root_name = Text(row, 4);
    table.load_via_root = True(row, 5);
    table.columns = Text(row, 6);
    table.condition = Text(row, 7);
    table.extension_owned = True(row, 8);
    table.size_bytes = std::stoull(Text(row, 9));
    table.heap_pages = std::stoull(Text(row, 10));
    tables.push_back(std::move(table));
  }
  return tables;
}

absl::StatusOr<std::vector<SequenceFacts>> ReadSequences(PgSession& session) {
  ASSIGN_OR_RETURN(
      const PgRows names,
      session.Query(fmt::format("SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n "
                                "ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND "
                                "c.relpersistence <> 't' AND {} AND {} ORDER BY 1, 2",
                                kUserSchema, kNotExtension)));
  constexpr std::size_t kBatch = 200;
  std::vector<SequenceFacts> sequences;
  for (std::size_t begin = 0; begin < names.size(); begin += kBatch) {
    const std::size_t end = std::min(names.size(), begin + kBatch);
    std::string sql;
    for (std::size_t i = begin; i < end; ++i) {
      sql += fmt::format("{}SELECT {} AS i, last_value, is_called FROM {}",
                         i == begin ? "" : " UNION ALL ", i,
                         QualifiedName(Text(names[i], 0), Text(names[i], 1)));
    }
    ASSIGN_OR_RETURN(const PgRows values, session.Query(sql + " ORDER BY 1"));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const PgRow& name = names[begin + i];
      sequences.push_back({Text(name, 0), Text(name, 1), Text(values[i], 1), True(values[i], 2)});
    }
  }
  return sequences;
}

absl::Status CheckPrivileges(PgSession& session) {
  ASSIGN_OR_RETURN(
      const PgRows rows,
      session.Query(fmt::format(
          "SELECT n.nspname, c.relname, c.relkind, has_schema_privilege(n.oid, 'USAGE'), CASE WHEN "
          "c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE "
          "has_table_privilege(c.oid, 'SELECT') END, c.relrowsecurity AND "
          "row_security_active(c.oid), current_user FROM pg_class c JOIN pg_namespace n ON n.oid = "
          "c.relnamespace WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND {} "
          "AND {} ORDER BY 1, 2",
          kUserSchema, kNotExtension)));
  std::vector<std::string> objects;
  std::vector<std::string> remedies;
  std::map<std::string, bool> schemas_seen;
  for (const PgRow& row : rows) {
    const std::string schema = Text(row, 0);
    const std::string name = QualifiedName(schema, Text(row, 1));
    const std::string user = QuoteIdentifier(Text(row, 6));
    if (!True(row, 3) && !schemas_seen[schema]) {
      schemas_seen[schema] = true;
      remedies.push_back(
          fmt::format("GRANT USAGE ON SCHEMA {} TO {};", QuoteIdentifier(schema), user));
    }
    if (!True(row, 4)) {
      remedies.push_back(fmt::format("GRANT SELECT ON {} {} TO {};",
                                     Text(row, 2) == "S" ? "SEQUENCE" : "TABLE", name, user));
    }
    if (True(row, 5)) {
      objects.push_back(name + " (row security filters its rows)");
      if (!schemas_seen["\n"]) remedies.push_back(fmt::format("ALTER ROLE {} BYPASSRLS;", user));
      schemas_seen["\n"] = true;
    } else if (!True(row, 3) || !True(row, 4)) {
      objects.push_back(name);
    }
  }
  if (objects.empty()) return absl::OkStatus();
  constexpr std::size_t kListed = 20;
  std::string list;
  std::string hint;
  for (std::size_t i = 0; i < std::min(objects.size(), kListed); ++i) {
    list += (i == 0 ? "" : ", ") + objects[i];
  }
  for (std::size_t i = 0; i < std::min(remedies.size(), kListed); ++i) hint += " " + remedies[i];
  return Error(ErrorKind::kSource, 2114,
               fmt::format("unable to read {} object(s) of the database: {}", objects.size(),
                           Escaped(list, 2000)),
               "Run as their owner or a superuser:" + Escaped(hint, 4000));
}

absl::Status LockTables(PgSession& session, PgSession& observer, absl::Duration timeout) {
  ASSIGN_OR_RETURN(const PgRows listed, session.Query(ShapesSql()));
  RETURN_IF_ERROR(session.Execute(
      fmt::format("SET LOCAL lock_timeout = {}", absl::ToInt64Milliseconds(timeout))));
  for (const PgRow& table : listed) {
    const std::string name = QualifiedName(Text(table, 1), Text(table, 2));
    const absl::Status locked =
        session.Execute(fmt::format("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", name));
    const std::string state = SqlStateOf(locked);
    if (state == "55P03") return LockError(observer, table, timeout);
    if (state == "42P01" || state == "3F000") return ChangedError(name);
    RETURN_IF_ERROR(locked);
  }
  RETURN_IF_ERROR(session.Execute("SET LOCAL lock_timeout = 0"));
  ASSIGN_OR_RETURN(const PgRows current, observer.Query(ShapesSql()));
  std::map<std::string, PgRow> now;
  for (const PgRow& row : current) now[Text(row, 0)] = row;
  for (const PgRow& row : listed) {
    const auto found = now.find(Text(row, 0));
    if (found == now.end() || found->second != row) {
      return ChangedError(Text(row, 1) + "." + Text(row, 2));
    }
  }
  return absl::OkStatus();
}

}  // namespace holdfast::source
