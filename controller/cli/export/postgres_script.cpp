#include "controller/cli/export/postgres_script.h"

#include "common/base/error.h"
#include "common/report/json.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr char kPreData[] = "pre-data.sql";
constexpr char kPostData[] = "post-data.sql";
constexpr char kLargeObjects[] = "large-objects.sql";
constexpr char kSequences[] = "sequences.json";
constexpr char kDatabase[] = "database.json";
constexpr std::string_view kDataPrefix = "data/";

absl::Status Damaged(std::string_view path, std::string_view cause) {
  return Error(ErrorKind::kIntegrity, 1230,
               fmt::format("unable to export the database: '{}' {}", Escaped(path), cause));
}

std::string QuotedIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string QuotedLiteral(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted.push_back('\'');
    quoted.push_back(c);
  }
  return quoted + "'";
}

std::string Qualified(std::string_view schema, std::string_view name) {
  return QuotedIdentifier(schema) + "." + QuotedIdentifier(name);
}

std::string Attribute(const Entry& entry, const char* name) {
  const auto found = entry.attributes.find(name);
  return found == entry.attributes.end() ? "" : found->second;
}

std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Comments only: names are escaped, so none can end the comment.
std::string Header(const SnapshotView& view, const Json& database) {
  const SnapshotInfo& info = view.info();
  std::string text = fmt::format(
      "-- Holdfast export of source {}, snapshot {}, taken {}\n"
      "-- Load it into an empty database:  psql -X -v ON_ERROR_STOP=1 -d NAME -f database.sql\n"
      "-- Roles that own objects must exist first: they are in the globals file.\n",
      Escaped(info.source_name), info.seq,
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", info.taken_at, absl::UTCTimeZone()));
  if (const std::string name = TextOf(database, "name"); !name.empty()) {
    text +=
        fmt::format("-- It was: {}, owner {}, encoding {}, collate {}, ctype {}\n", Escaped(name),
                    Escaped(TextOf(database, "owner")), Escaped(TextOf(database, "encoding")),
                    Escaped(TextOf(database, "collate")), Escaped(TextOf(database, "ctype")));
  }
  return text + "\n";
}

absl::StatusOr<std::string> CopyStatement(const Entry& entry, const std::string& encoding) {
  std::string schema = Attribute(entry, "schema");
  std::string table = Attribute(entry, "table");
  // Rows below a hash partition may belong to another leaf after a restore: the root routes them.
  if (Attribute(entry, "load_via_root") == "yes") {
    schema = Attribute(entry, "root_schema");
    table = Attribute(entry, "root_table");
  }
  if (schema.empty() || table.empty()) return Damaged(entry.path, "does not name its table");
  const std::string columns = Attribute(entry, "columns");
  return fmt::format("COPY {}{} FROM stdin WITH (FORMAT text, ENCODING {});\n",
                     Qualified(schema, table), columns.empty() ? "" : " (" + columns + ")",
                     QuotedLiteral(encoding));
}

bool IsInteger(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && text.size() <= 19 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

absl::StatusOr<std::string> SequenceStatements(const std::string& document) {
  const Json sequences = ParsedJson(document);
  if (!sequences.is_array()) return Damaged(kSequences, "is no list");
  std::string text;
  for (const Json& one : sequences) {
    const std::string last = TextOf(one, "last_value");
    const std::string name = TextOf(one, "name");
    const auto called = one.is_object() ? one.find("is_called") : one.end();
    if (!IsInteger(last) || name.empty() || called == one.end() || !called->is_boolean()) {
      return Damaged(kSequences, "has a sequence that makes no sense");
    }
    text += fmt::format("SELECT pg_catalog.setval({}, {}, {});\n",
                        QuotedLiteral(Qualified(TextOf(one, "schema"), name)), last,
                        called->get<bool>());
  }
  return text;
}

struct Parts {
  std::optional<Entry> pre_data, post_data, large_objects;
  std::vector<Entry> tables;
  std::string sequences = "[]";
  Json database;
};

absl::StatusOr<Parts> CollectParts(const SnapshotView& view) {
  Parts parts;
  std::optional<Entry> sequences, database;
  RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) {
    if (entry.type != EntryType::kFile) return absl::OkStatus();
    if (entry.path == kPreData) parts.pre_data = entry;
    if (entry.path == kPostData) parts.post_data = entry;
    if (entry.path == kLargeObjects) parts.large_objects = entry;
    if (entry.path == kSequences) sequences = entry;
    if (entry.path == kDatabase) database = entry;
    if (entry.path.rfind(kDataPrefix, 0) == 0) parts.tables.push_back(entry);
    return absl::OkStatus();
  }));
  if (!parts.pre_data) return Damaged(kPreData, "is missing");
  if (!parts.post_data) return Damaged(kPostData, "is missing");
  if (!sequences) return Damaged(kSequences, "is missing");
  ASSIGN_OR_RETURN(parts.sequences, ReadAll(view, *sequences));
  if (database) {
    ASSIGN_OR_RETURN(const Bytes document, ReadAll(view, *database));
    parts.database = ParsedJson(document);
  }
  return parts;
}

}  // namespace

absl::StatusOr<std::vector<ScriptPiece>> MakePostgresScript(const SnapshotView& view) {
  ASSIGN_OR_RETURN(const Parts parts, CollectParts(view));
  std::string encoding = TextOf(parts.database, "encoding");
  if (encoding.empty()) encoding = "UTF8";
  std::vector<ScriptPiece> script;
  script.push_back({Header(view, parts.database), parts.pre_data});
  std::string before = "\n";
  for (const Entry& table : parts.tables) {
    ASSIGN_OR_RETURN(const std::string copy, CopyStatement(table, encoding));
    script.push_back({before + copy, table});
    before = "\\.\n\n";
  }
  ASSIGN_OR_RETURN(const std::string sequences, SequenceStatements(parts.sequences));
  before += sequences + "\n";
  if (parts.large_objects) {
    script.push_back({std::move(before), parts.large_objects});
    before = "\n";
  }
  script.push_back({std::move(before), parts.post_data});
  return script;
}

std::uint64_t ScriptBytes(const std::vector<ScriptPiece>& script) {
  std::uint64_t bytes = 0;
  for (const ScriptPiece& piece : script) {
    bytes += piece.text.size() + (piece.entry ? piece.entry->content_bytes : 0);
  }
  return bytes;
}

}  // namespace holdfast::cli
