// What a snapshot knows of its database beyond the dump: enough to create it again identically.
//
// The facts are the content of database.json; sequence positions are the content of sequences.json;
// TableFacts become the attributes of a table's entry. All text is UTF-8.
// Threading: values and pure functions.
// Errors:    encoders kSource 2116 (a name that is not UTF-8); decoders kIntegrity 3110.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/source/postgres/table_parts.h"
#include "common/format/entry.h"

namespace holdfast::source {

struct DatabaseSetting {
  std::string role;  // empty: for every role (ALTER DATABASE SET)
  std::string name;
  std::string value;  // as pg_db_role_setting keeps it
};

struct DatabaseFacts {
  int server_version = 0;  // 150020
  std::string name;
  std::string owner;
  std::string encoding;
  std::string collate;
  std::string ctype;
  std::string icu_locale;       // empty unless locale_provider is "i"
  std::string locale_provider;  // "c" or "i"
  std::string tablespace;
  std::int64_t connection_limit = -1;
  bool is_template = false;
  std::string comment;
  std::vector<std::string> grants;  // complete GRANT/REVOKE tails: "REVOKE ALL … FROM PUBLIC"
  std::vector<DatabaseSetting> settings;
  std::vector<std::string> extensions;
  std::vector<std::string> roles;        // that objects or grants of this database need
  std::vector<std::string> tablespaces;  // beside pg_default
  std::vector<std::string> subscriptions;
};

struct SequenceFacts {
  std::string schema;
  std::string name;
  std::string last_value;
  bool is_called = false;
};

// A table whose rows are stored: an ordinary table, which may be a leaf of a partitioned one.
struct TableFacts {
  std::string oid;
  std::string schema;
  std::string name;
  std::string root_schema;  // of the topmost partitioned table, empty for an ordinary table
  std::string root_name;
  bool load_via_root =
      false;              // below a hash partition: rows may belong to another leaf after restore
  std::string columns;    // quoted and comma-separated, empty: all (also when there are none)
  std::string condition;  // WHERE … of an extension's configuration table
  bool extension_owned = false;
  std::uint64_t size_bytes = 0;
  std::uint64_t heap_pages = 0;  // 0: not a heap
};

// Which entry of a table's: a large one has several, see table_parts.h.
struct TablePart {
  std::uint32_t number = 0;
  std::uint32_t count = 1;  // of all parts; the entry of part 0 tells it
};

absl::StatusOr<std::string> EncodeDatabase(const DatabaseFacts& facts);
absl::StatusOr<DatabaseFacts> DecodeDatabase(const std::string& json);
absl::StatusOr<std::string> EncodeSequences(const std::vector<SequenceFacts>& sequences);
absl::StatusOr<std::vector<SequenceFacts>> DecodeSequences(const std::string& json);

// data/<schema>.<table>.copy, the names escaped so that different tables never share a path; for
// parts after the first with .000001 and so on behind it, which is their order in the manifest.
std::string TablePath(std::string_view schema, std::string_view name, std::uint32_t part = 0);
Entry TableEntry(const TableFacts& table, const TablePart& part = {});
absl::StatusOr<TableFacts> TableOf(const Entry& entry);
absl::StatusOr<TablePart> PartOf(const Entry& entry);  // `count` is that of part 0, else 0

// The statements that read a table's rows, and that write them to where they belong. A row has the
// same text whether it is read with the whole table or with a range of pages.
std::string SelectSql(const TableFacts& table, const PageRange& pages);
std::string CopyOutSql(const TableFacts& table, std::string_view encoding,
                       const PageRange& pages = {});
// kFrozen: the table must have been emptied in the same transaction.
enum class CopyMode { kPlain, kFrozen };
std::string CopyInSql(const TableFacts& table, std::string_view encoding, CopyMode mode);

// One row per MiB of every large object: oid, offset, md5. The same text at backup and restore.
std::string LargeObjectsCopySql();

}  // namespace holdfast::source
