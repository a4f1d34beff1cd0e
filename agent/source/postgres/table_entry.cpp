// How a table appears in the tree: its path, its attributes, the statements for its rows.
#include <xxhash.h>

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "agent/source/postgres/connection.h"
#include "agent/source/postgres/database_facts.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

// Of a component of a path, without the number of a part.
constexpr std::size_t kNameLimitBytes = 255 - 7;
constexpr std::uint32_t kPartLimit = 1'000'000;  // a heap has at most 2^32 pages

// '.' separates schema and table and '~' marks a shortened name, so neither may come from a name.
std::string EscapedName(std::string_view name) {
  std::string result;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '/' || c == '.' || c == '%' || c == '~') {
      result += fmt::format("%{:02X}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

std::string AttributeOf(const Entry& entry, const std::string& name) {
  const auto found = entry.attributes.find(name);
  return found == entry.attributes.end() ? "" : found->second;
}

std::string CopyOptions(std::string_view encoding, CopyMode mode = CopyMode::kPlain) {
  return fmt::format("(FORMAT text, ENCODING {}{})", QuoteLiteral(encoding),
                     mode == CopyMode::kFrozen ? ", FREEZE true" : "");
}

// 0 when there is none, nothing when it makes no sense.
std::optional<std::uint32_t> NumberOf(const Entry& entry, const std::string& name) {
  const std::string text = AttributeOf(entry, name);
  std::uint32_t number = 0;
  if (text.empty()) return 0;
  if (!absl::SimpleAtoi(text, &number) || number == 0 || number >= kPartLimit) return {};
  return number;
}

std::string ColumnList(const TableFacts& table) {
  return table.columns.empty() ? "" : " (" + table.columns + ")";
}

}  // namespace

std::string TablePath(std::string_view schema, std::string_view name, std::uint32_t part) {
  const std::string suffix = part == 0 ? "" : fmt::format(".{:06}", part);
  const std::string path = EscapedName(schema) + "." + EscapedName(name) + ".copy";
  if (path.size() <= kNameLimitBytes) return "data/" + path + suffix;
  std::string whole(schema);
  whole += '\0';
  whole += name;
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(whole.data(), whole.size()));
  return fmt::format(
      "data/{}~{}.copy{}", EscapedName(schema).substr(0, 100),
      ToHex(ByteView(reinterpret_cast<const char*>(hash.digest), sizeof hash.digest)), suffix);
}

Entry TableEntry(const TableFacts& table, const TablePart& part) {
  Entry entry;
  entry.path = TablePath(table.schema, table.name, part.number);
  entry.attributes = {{"schema", table.schema}, {"table", table.name}, {"columns", table.columns}};
  if (!table.root_name.empty()) {
    entry.attributes["root_schema"] = table.root_schema;
    entry.attributes["root_table"] = table.root_name;
  }
  if (table.load_via_root) entry.attributes["load_via_root"] = "yes";
  if (!table.condition.empty()) entry.attributes["condition"] = table.condition;
  if (table.extension_owned) entry.attributes["extension_owned"] = "yes";
  // The count in one entry only, so that a table that grows leaves the others as they are.
  if (part.number > 0) {
    entry.attributes["part"] = std::to_string(part.number);
  } else if (part.count > 1) {
    entry.attributes["parts"] = std::to_string(part.count);
  }
  return entry;
}

absl::StatusOr<TableFacts> TableOf(const Entry& entry) {
  TableFacts table;
  table.schema = AttributeOf(entry, "schema");
  table.name = AttributeOf(entry, "table");
  table.root_schema = AttributeOf(entry, "root_schema");
  table.root_name = AttributeOf(entry, "root_table");
  table.columns = AttributeOf(entry, "columns");
  table.condition = AttributeOf(entry, "condition");
  table.load_via_root = AttributeOf(entry, "load_via_root") == "yes";
  table.extension_owned = AttributeOf(entry, "extension_owned") == "yes";
  table.size_bytes = entry.content_bytes;
  if (table.schema.empty() || table.name.empty() || !entry.rows ||
      entry.row_checksum.size() != 16 || (table.load_via_root && table.root_name.empty())) {
    return Error(
        ErrorKind::kIntegrity, 3110,
        fmt::format("unable to use entry '{}': it does not describe a table", Escaped(entry.path)));
  }
  return table;
}

absl::StatusOr<TablePart> PartOf(const Entry& entry) {
  const std::optional<std::uint32_t> number = NumberOf(entry, "part");
  const std::optional<std::uint32_t> count = NumberOf(entry, "parts");
  if (!number || !count || (*number > 0 && *count > 0)) {
    return Error(ErrorKind::kIntegrity, 3110,
                 fmt::format("unable to use entry '{}': it does not tell which part it is",
                             Escaped(entry.path)));
  }
  return TablePart{*number, *number > 0 ? 0 : std::max(1u, *count)};
}

std::string SelectSql(const TableFacts& table, const PageRange& pages) {
  std::string sql =
      fmt::format("SELECT {} FROM ONLY {}", table.columns, QualifiedName(table.schema, table.name));
  if (!table.condition.empty()) return sql + " " + table.condition;
  if (!pages.whole()) sql += fmt::format(" WHERE ctid >= '({},0)'", pages.begin);
  if (pages.end) sql += fmt::format(" AND ctid < '({},0)'", *pages.end);
  return sql;
}

std::string CopyOutSql(const TableFacts& table, std::string_view encoding, const PageRange& pages) {
  if (!table.condition.empty() || !pages.whole()) {
    return fmt::format("COPY ({}) TO STDOUT {}", SelectSql(table, pages), CopyOptions(encoding));
  }
  return fmt::format("COPY {}{} TO STDOUT {}", QualifiedName(table.schema, table.name),
                     ColumnList(table), CopyOptions(encoding));
}

std::string CopyInSql(const TableFacts& table, std::string_view encoding, CopyMode mode) {
  const std::string name = table.load_via_root ? QualifiedName(table.root_schema, table.root_name)
                                               : QualifiedName(table.schema, table.name);
  return fmt::format("COPY {}{} FROM STDIN {}", name, ColumnList(table),
                     CopyOptions(encoding, mode));
}

std::string LargeObjectsCopySql() {
  return "COPY (SELECT m.oid, o.start, pg_catalog.md5(pg_catalog.lo_get(m.oid, o.start, 1048576)) "
         "FROM (SELECT oid, pg_catalog.lo_lseek64(fd, 0, 2) AS size, pg_catalog.lo_close(fd) AS "
         "closed FROM (SELECT oid, pg_catalog.lo_open(oid, 262144) AS fd FROM "
         "pg_catalog.pg_largeobject_metadata OFFSET 0) AS opened OFFSET 0) AS m, "
         "LATERAL pg_catalog.generate_series(0::bigint, m.size, 1048576::bigint) AS o(start)) "
         "TO STDOUT";
}

}  // namespace holdfast::source
