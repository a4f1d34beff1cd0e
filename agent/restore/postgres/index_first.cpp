// WithIndexesFirst.
#include <optional>

#include "agent/restore/postgres/dump_script.h"
#include "agent/source/postgres/connection.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

// ALTER TABLE ONLY s.t
//     ADD CONSTRAINT name PRIMARY KEY (a, b);
struct PlainConstraint {
  std::string table;
  std::string name;  // both as they are printed
  std::string kind;  // "PRIMARY KEY", "UNIQUE"
  std::string columns;
};

bool Consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Nothing when there is anything else about it: INCLUDE, WITH, DEFERRABLE, NULLS NOT DISTINCT.
std::optional<PlainConstraint> Parse(std::string_view statement) {
  if (!Consume(statement, "ALTER TABLE ONLY ")) return {};
  PlainConstraint found;
  found.table = statement.substr(0, statement.find('\n'));
  statement.remove_prefix(found.table.size());
  if (!Consume(statement, "\n    ADD CONSTRAINT ")) return {};
  const std::string name = LeadingIdentifier(statement);
  for (const std::string& printed : {name, source::QuoteIdentifier(name)}) {
    if (Consume(statement, printed + " ")) found.name = printed;
  }
  for (const char* kind : {"PRIMARY KEY", "UNIQUE"}) {
    if (Consume(statement, fmt::format("{} (", kind))) found.kind = kind;
  }
  if (found.name.empty() || found.kind.empty() || !statement.ends_with(");")) return {};
  statement.remove_suffix(2);
  if (statement.find_first_of("()") != std::string_view::npos) return {};
  found.columns = statement;
  return found;
}

}  // namespace

std::string WithIndexesFirst(std::string_view script, const std::set<std::string>& tables) {
  std::string result;
  for (DumpItem& item : SplitDump(script)) {
    if (item.type == "CONSTRAINT" && !tables.empty()) {
      const std::vector<std::string> statements = SplitStatements(item.sql);
      const auto found = statements.empty() ? std::nullopt : Parse(statements[0]);
      const std::size_t at = found ? item.sql.find(statements[0]) : std::string::npos;
      if (at != std::string::npos && tables.contains(found->table)) {
        item.sql.replace(
            at, statements[0].size(),
            fmt::format("CREATE UNIQUE INDEX {1} ON {0} ({3});\n"
                        "ALTER TABLE ONLY {0}\n    ADD CONSTRAINT {1} {2} USING INDEX {1};",
                        found->table, found->name, found->kind, found->columns));
      }
    }
    result += item.sql;
  }
  return result;
}

}  // namespace holdfast::restore
