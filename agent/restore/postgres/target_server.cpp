#include "agent/restore/postgres/target_server.h"

#include <algorithm>

#include "agent/restore/postgres/dump_script.h"
#include "agent/source/postgres/dump_program.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

using source::QuoteIdentifier;
using source::QuoteLiteral;

bool Contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

absl::StatusOr<bool> Exists(source::PgSession& server, const std::string& query,
                            const std::string& value) {
  ASSIGN_OR_RETURN(const source::PgRows rows, server.Query(query, {value}));
  return !rows.empty();
}

constexpr char kRoleExists[] = "SELECT 1 FROM pg_roles WHERE rolname = $1";
constexpr char kDatabaseExists[] = "SELECT 1 FROM pg_database WHERE datname = $1";

std::vector<std::string> RolesIn(const std::string& globals) {
  std::vector<std::string> roles;
  for (const std::string& statement : SplitStatements(globals)) {
    if (statement.starts_with("CREATE ROLE "))
      roles.push_back(LeadingIdentifier(statement.substr(12)));
  }
  return roles;
}

std::string CreateSql(const source::DatabaseFacts& facts, const std::string& name, int major,
                      bool has_tablespace) {
  std::string sql =
      fmt::format("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                  QuoteIdentifier(name), QuoteLiteral(facts.encoding), QuoteLiteral(facts.collate),
                  QuoteLiteral(facts.ctype));
  if (major >= 15) {
    sql += facts.locale_provider == "i"
               ? " LOCALE_PROVIDER icu ICU_LOCALE " + QuoteLiteral(facts.icu_locale)
               : std::string(" LOCALE_PROVIDER libc");
  }
  if (has_tablespace) sql += " TABLESPACE " + QuoteIdentifier(facts.tablespace);
  return sql;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TemporaryDatabase>> TemporaryDatabase::Create(
    const SnapshotContent& content, const PostgresRestoreOptions& options, std::stop_token stop) {
  std::unique_ptr<TemporaryDatabase> result(new TemporaryDatabase(content, options));
  RETURN_IF_ERROR(result->Connect(stop));
  RETURN_IF_ERROR(result->CheckVersionAndName());
  ASSIGN_OR_RETURN(std::vector<std::string> lacks, result->Lacks());
  RETURN_IF_ERROR(result->CreateEmpty(std::move(lacks)));
  return result;
}

absl::Status TemporaryDatabase::Connect(std::stop_token stop) {
  ASSIGN_OR_RETURN(connection_, source::WithPassword(options_.env.fs, options_.connection));
  if (connection_.database.empty()) connection_.database = "postgres";
  ASSIGN_OR_RETURN(server_, source::PgSession::Open(connection_, stop));
  ASSIGN_OR_RETURN(
      superuser_, server_->QueryTrue("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"));
  return absl::OkStatus();
}

absl::Status TemporaryDatabase::CheckVersionAndName() {
  ASSIGN_OR_RETURN(const bool exists, Exists(*server_, kDatabaseExists, options_.database));
  if (exists && options_.table.empty()) {
    return Error(
        ErrorKind::kRefused, 3101,
        fmt::format("unable to restore into database '{}': it exists", Escaped(options_.database)),
        "Choose another name; rename or drop the old database yourself if it must go.");
  }
  const int from = content_.database.server_version;
  if (from / 10000 > server_->server_major()) {
    return Error(
        ErrorKind::kRefused, 3102,
        fmt::format("unable to restore into PostgreSQL {}: the snapshot is from {}",
                    source::VersionText(server_->server_version()), source::VersionText(from)),
        fmt::format("Restore into PostgreSQL {} or later.", from / 10000));
  }
  ASSIGN_OR_RETURN(const bool may_create,
                   server_->QueryTrue("SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname "
                                      "= current_user"));
  if (may_create) return absl::OkStatus();
  return Error(
      ErrorKind::kPermission, 3104,
      fmt::format("unable to create a database as user '{}'", Escaped(options_.connection.user)),
      fmt::format("Run as a superuser: ALTER ROLE {} CREATEDB;",
                  QuoteIdentifier(options_.connection.user)));
}

absl::StatusOr<std::vector<std::string>> TemporaryDatabase::Lacks() {
  std::vector<std::string> lacks;
  ASSIGN_OR_RETURN(const bool may_create,
                   server_->QueryTrue("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE "
                                      "rolname = current_user"));
  const bool creates_roles = !options_.no_globals && may_create;
  const std::vector<std::string> stored =
      creates_roles ? RolesIn(content_.globals) : std::vector<std::string>();
  for (const std::string& role : content_.database.roles) {
    ASSIGN_OR_RETURN(const bool exists, Exists(*server_, kRoleExists, role));
    if (!exists && !Contains(stored, role)) lacks.push_back("role '" + role + "'");
  }
  for (const std::string& extension : content_.database.extensions) {
    ASSIGN_OR_RETURN(
        const bool exists,
        Exists(*server_, "SELECT 1 FROM pg_available_extensions WHERE name = $1", extension));
    if (!exists) lacks.push_back("extension '" + extension + "'");
  }
  return lacks;
}

// The attempt is the only sure test of a locale, so it comes first and is listed with the rest.
absl::Status TemporaryDatabase::CreateEmpty(std::vector<std::string> lacks) {
  const source::DatabaseFacts& facts = content_.database;
  ASSIGN_OR_RETURN(
      bool has_tablespace,
      Exists(*server_, "SELECT 1 FROM pg_tablespace WHERE spcname = $1", facts.tablespace));
  has_tablespace = has_tablespace && facts.tablespace != "pg_default";
  connection_.database = "holdfast_restore_" + ToHex(options_.env.rng.Draw(8));
  const absl::Status created = server_->Execute(
      CreateSql(facts, connection_.database, server_->server_major(), has_tablespace));
  if (created.ok()) {
    dropped_ = false;
  } else if (source::SqlStateOf(created) == "42809" || source::SqlStateOf(created) == "22023") {
    lacks.push_back(fmt::format("locale '{}' ({})",
                                facts.locale_provider == "i" ? facts.icu_locale : facts.collate,
                                MessageOf(created)));
  } else {
    return WithContext(created, "unable to create a database");
  }
  if (lacks.empty()) return absl::OkStatus();
  std::string list;
  for (const std::string& lack : lacks) list += (list.empty() ? "" : ", ") + lack;
  return Error(ErrorKind::kRefused, 3103,
               fmt::format("unable to restore database '{}': the server lacks {}",
                           Escaped(facts.name), Escaped(list, 2000)),
               "Install or create what is missing; nothing was changed.");
}

absl::Status TemporaryDatabase::RestoreGlobals(std::vector<std::string>& warnings) {
  if (!options_.no_globals) {
    for (const std::string& statement : SplitStatements(content_.globals)) {
      RETURN_IF_ERROR(RestoreGlobal(statement, warnings));
    }
  }
  std::vector<std::string> needed = content_.database.tablespaces;
  needed.push_back(content_.database.tablespace);
  for (const std::string& tablespace : needed) {
    ASSIGN_OR_RETURN(
        const bool exists,
        Exists(*server_, "SELECT 1 FROM pg_tablespace WHERE spcname = $1", tablespace));
    if (exists) continue;
    missing_tablespaces_.push_back(tablespace);
    warnings.push_back(fmt::format(
        "tablespace '{}' does not exist here: its objects are in the default tablespace",
        Escaped(tablespace)));
  }
  return absl::OkStatus();
}

absl::Status TemporaryDatabase::RestoreGlobal(const std::string& statement,
                                              std::vector<std::string>& warnings) {
  if (statement.starts_with("CREATE ROLE ")) {
    const std::string role = LeadingIdentifier(statement.substr(12));
    ASSIGN_OR_RETURN(const bool exists, Exists(*server_, kRoleExists, role));
    if (exists) return absl::OkStatus();
    const absl::Status created = server_->Execute(statement);
    if (created.ok()) created_roles_.push_back(role);
    if (created.ok() || source::SqlStateOf(created) == "42710") return absl::OkStatus();
    if (Contains(content_.database.roles, role)) {
      return WithContext(created, fmt::format("unable to create role '{}'", Escaped(role)));
    }
    warnings.push_back(
        fmt::format("role '{}' was not created: {}", Escaped(role), MessageOf(created)));
    return absl::OkStatus();
  }
  std::string subject;  // the role that this statement changes
  if (statement.starts_with("ALTER ROLE ")) subject = LeadingIdentifier(statement.substr(11));
  if (statement.starts_with("COMMENT ON ROLE ")) subject = LeadingIdentifier(statement.substr(16));
  if (statement.starts_with("GRANT ") && statement.find(" ON TABLESPACE ") == std::string::npos) {
    const std::size_t to = statement.find(" TO ");
    if (to != std::string::npos) subject = LeadingIdentifier(statement.substr(to + 4));
  }
  if (subject.empty() || !Contains(created_roles_, subject)) return absl::OkStatus();
  const absl::Status done = server_->Execute(statement);
  if (!done.ok()) {
    warnings.push_back(
        fmt::format("role '{}' was not set up completely: {}", Escaped(subject), MessageOf(done)));
  }
  return absl::OkStatus();
}

std::string SettingValue(const std::string& name, const std::string& value) {
  static const std::vector<std::string> kLists = {
      "local_preload_libraries",  "search_path",      "session_preload_libraries",
      "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"};
  if (!Contains(kLists, name)) return QuoteLiteral(value);
  std::string result;
  for (std::size_t begin = 0; begin <= value.size();) {
    std::size_t end = begin;
    bool quoted = false;
    while (end < value.size() && (quoted || value[end] != ',')) {
      if (value[end] == '"') quoted = !quoted;
      ++end;
    }
    std::string item = value.substr(begin, end - begin);
    item.erase(0, item.find_first_not_of(' '));
    if (item.starts_with('"')) item = LeadingIdentifier(item);
    result += (result.empty() ? "" : ", ") + QuoteLiteral(item);
    begin = end + 1;
  }
  return result;
}

absl::Status TemporaryDatabase::ApplyProperties() {
  const source::DatabaseFacts& facts = content_.database;
  const std::string database = QuoteIdentifier(name());
  std::vector<std::string> statements = {
      fmt::format("ALTER DATABASE {} OWNER TO {}", database, QuoteIdentifier(facts.owner))};
  if (!facts.comment.empty()) {
    statements.push_back(
        fmt::format("COMMENT ON DATABASE {} IS {}", database, QuoteLiteral(facts.comment)));
  }
  for (const std::string& grant : facts.grants) {
    const std::size_t bar = grant.find('|');
    if (bar == std::string::npos) continue;
    statements.push_back(
        fmt::format("{} ON DATABASE {} {}", grant.substr(0, bar), database, grant.substr(bar + 1)));
  }
  for (const source::DatabaseSetting& setting : facts.settings) {
    const std::string value = SettingValue(setting.name, setting.value);
    const std::string whom =
        setting.role.empty()
            ? "ALTER DATABASE " + database
            : fmt::format("ALTER ROLE {} IN DATABASE {}", QuoteIdentifier(setting.role), database);
    std::string variable;  // "app.tenant": each part may need quotes
    for (std::size_t begin = 0; begin <= setting.name.size();) {
      const std::size_t end = std::min(setting.name.find('.', begin), setting.name.size());
      variable +=
          (begin == 0 ? "" : ".") + QuoteIdentifier(setting.name.substr(begin, end - begin));
      begin = end + 1;
    }
    statements.push_back(fmt::format("{} SET {} TO {}", whom, variable, value));
  }
  if (facts.connection_limit != -1) {
    statements.push_back(
        fmt::format("ALTER DATABASE {} CONNECTION LIMIT {}", database, facts.connection_limit));
  }
  if (facts.is_template) {
    statements.push_back(fmt::format("ALTER DATABASE {} IS_TEMPLATE true", database));
  }
  for (const std::string& statement : statements) {
    RETURN_IF_ERROR(
        WithContext(server_->Execute(statement), "unable to set the properties of the database"));
  }
  return absl::OkStatus();
}

absl::Status TemporaryDatabase::Publish() {
  const absl::Status renamed =
      server_->Execute(fmt::format("ALTER DATABASE {} RENAME TO {}", QuoteIdentifier(name()),
                                   QuoteIdentifier(options_.database)));
  if (source::SqlStateOf(renamed) == "42P04") {
    return Error(ErrorKind::kRefused, 3101,
                 fmt::format("unable to restore into database '{}': it was created meanwhile",
                             Escaped(options_.database)));
  }
  RETURN_IF_ERROR(WithContext(renamed, "unable to rename the restored database"));
  dropped_ = true;
  return absl::OkStatus();
}

TemporaryDatabase::~TemporaryDatabase() {
  if (!dropped_) Drop();
}

// In sessions of its own: the run may have been stopped. Nobody is left to tell of a failure here
// but the name of the database, which says what it is.
void TemporaryDatabase::Drop() {
  // A subscription, even a disabled one, keeps its database from being dropped.
  if (const auto inside = source::PgSession::Open(connection_, {}); inside.ok()) {
    const auto names = (*inside)->Query(
        "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE "
        "datname = current_database())");
    for (const source::PgRow& row : names.ok() ? *names : source::PgRows()) {
      const std::string subscription = QuoteIdentifier(row[0].value_or(""));
      for (const char* action :
           {"ALTER SUBSCRIPTION {} DISABLE", "ALTER SUBSCRIPTION {} SET (slot_name = NONE)",
            "DROP SUBSCRIPTION {}"}) {
        (void)(*inside)->Execute(fmt::format(fmt::runtime(action), subscription));
      }
    }
  }
  source::PostgresConnection maintenance = connection_;
  maintenance.database =
      options_.connection.database.empty() ? "postgres" : options_.connection.database;
  const auto session = source::PgSession::Open(maintenance, {});
  if (!session.ok()) return;
  const std::string database = QuoteIdentifier(name());
  if (content_.database.is_template) {
    (void)(*session)->Execute(fmt::format("ALTER DATABASE {} IS_TEMPLATE false", database));
  }
  (void)(*session)->Execute(fmt::format("DROP DATABASE IF EXISTS {} WITH (FORCE)", database));
  for (auto role = created_roles_.rbegin(); role != created_roles_.rend(); ++role) {
    (void)(*session)->Execute("DROP ROLE IF EXISTS " + QuoteIdentifier(*role));
  }
}

}  // namespace holdfast::restore
