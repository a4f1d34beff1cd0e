#include "agent/source/postgres/connection.h"

#include "fmt/format.h"

namespace holdfast::source {
namespace {

std::string Doubled(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  result += quote;
  return result;
}

void AddParameter(std::string_view name, std::string_view value, std::string& to) {
  if (value.empty()) return;
  to += fmt::format("{}='", name);
  for (const char c : value) {
    if (c == '\'' || c == '\\') to += '\\';
    to += c;
  }
  to += "' ";
}

}  // namespace

absl::StatusOr<PostgresConnection> WithPassword(FileSystem& fs, PostgresConnection connection) {
  if (connection.password_file.empty()) return connection;
  absl::StatusOr<Bytes> secret = fs.ReadSecret(connection.password_file);
  if (!secret.ok()) return std::move(secret).status();
  while (!secret->empty() && (secret->back() == '\n' || secret->back() == '\r')) secret->pop_back();
  connection.password = *std::move(secret);
  return connection;
}

std::string ConnectionString(const PostgresConnection& connection) {
  std::string result;
  AddParameter("host", connection.host, result);
  AddParameter("port", std::to_string(connection.port), result);
  AddParameter("dbname", connection.database, result);
  AddParameter("user", connection.user, result);
  AddParameter("password", connection.password, result);
  AddParameter("sslmode", connection.sslmode, result);
  AddParameter("application_name", "holdfast", result);
  if (connection.extra.find("connect_timeout") == std::string::npos) {
    AddParameter("connect_timeout", "30", result);
  }
  // A peer that vanished without a word must end the run, not hang it.
  if (connection.extra.find("keepalives") == std::string::npos) {
    result += "keepalives=1 keepalives_idle=30 keepalives_interval=10 keepalives_count=3 ";
  }
  return result + connection.extra;
}

std::vector<std::pair<std::string, std::string>> ProgramEnvironment(
    const PostgresConnection& connection) {
  std::vector<std::pair<std::string, std::string>> result = {
      {"PGPORT", std::to_string(connection.port)},
      {"PGDATABASE", connection.database},
      {"PGAPPNAME", "holdfast"},
      {"PGOPTIONS", ""},
      {"PGCLIENTENCODING", ""},
      {"LC_ALL", "C"}};
  if (!connection.host.empty()) result.emplace_back("PGHOST", connection.host);
  if (!connection.user.empty()) result.emplace_back("PGUSER", connection.user);
  if (!connection.password.empty()) result.emplace_back("PGPASSWORD", connection.password);
  if (!connection.sslmode.empty()) result.emplace_back("PGSSLMODE", connection.sslmode);
  return result;
}

std::string QuoteIdentifier(std::string_view name) { return Doubled(name, '"'); }
std::string QuoteLiteral(std::string_view text) { return Doubled(text, '\''); }
std::string QualifiedName(std::string_view schema, std::string_view name) {
  return QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
}

}  // namespace holdfast::source
