// PgSession over libpqxx: the one place that catches its exceptions.
#include <pqxx/pqxx>

#include "agent/source/postgres/session.h"
#include "agent/source/postgres/session_error.h"
#include "common/base/error.h"

namespace holdfast::source {
namespace {

class PqxxSession final : public PgSession {
 public:
  PqxxSession(const PostgresConnection& connection, std::stop_token stop)
      : connection_(ConnectionString(connection)), quiet_(connection_), stop_(stop) {
    // I1. Deprecated because later versions never reconnect; this one would.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection_.inhibit_reactivation(true);
#pragma GCC diagnostic pop
  }

  absl::StatusOr<PgRows> Query(const std::string& sql,
                               const std::vector<std::string>& parameters) override {
    PgRows rows;
    RETURN_IF_ERROR(Run(sql, parameters, &rows));
    return rows;
  }

  absl::Status Execute(const std::string& sql) override { return Run(sql, {}, nullptr); }

  int server_version() const override { return connection_.server_version(); }

 private:
  absl::Status Run(const std::string& sql, const std::vector<std::string>& parameters,
                   PgRows* rows) {
    if (stop_.stop_requested()) return Error(ErrorKind::kFailed, 2112, "the run was stopped");
    const std::stop_callback cancel(stop_, [this] { Cancel(); });
    try {
      pqxx::nontransaction work(connection_);
      const pqxx::result result =
          parameters.empty()
              ? work.exec(sql)
              : work.exec_params(sql, pqxx::prepare::make_dynamic_params(parameters));
      if (rows == nullptr) return absl::OkStatus();
      for (const auto& from : result) {
        PgRow row;
        for (const auto& field : from) {
          if (field.is_null()) {
            row.emplace_back();
          } else {
            row.emplace_back(std::string(field.c_str(), field.size()));
          }
        }
        rows->push_back(std::move(row));
      }
      return absl::OkStatus();
    } catch (const pqxx::broken_connection& error) {
      return LostError(error.what());
    } catch (const pqxx::sql_error& error) {
      // A terminated backend reports its end like any failed statement.
      if (!connection_.is_open()) return LostError(error.what());
      return StatementError(error.sqlstate(), error.what());
    } catch (const std::exception& error) {
      return StatementError("", error.what());
    }
  }

  void Cancel() {
    try {
      connection_.cancel_query();
    } catch (const std::exception&) {
      // The statement then ends by its own timeout.
    }
  }

  pqxx::connection connection_;
  pqxx::quiet_errorhandler quiet_;
  std::stop_token stop_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PgSession>> PgSession::Open(const PostgresConnection& connection,
                                                           std::stop_token stop) {
  std::unique_ptr<PgSession> session;
  try {
    session = std::make_unique<PqxxSession>(connection, stop);
  } catch (const std::exception& error) {
    return ConnectError(connection, error.what());
  }
  ASSIGN_OR_RETURN(const std::string encoding, session->QueryValue("SHOW server_encoding"));
  RETURN_IF_ERROR(session->Execute(SessionSettings() + "SET client_encoding = " +
                                   QuoteLiteral(encoding == "SQL_ASCII" ? encoding : "UTF8")));
  return session;
}

absl::StatusOr<std::string> PgSession::QueryValue(const std::string& sql,
                                                  const std::vector<std::string>& parameters) {
  ASSIGN_OR_RETURN(const PgRows rows, Query(sql, parameters));
  if (rows.size() != 1 || rows[0].size() != 1) {
    return StatementError("", "a query for one value returned something else: " + sql);
  }
  return rows[0][0].value_or("");
}

absl::StatusOr<bool> PgSession::QueryTrue(const std::string& sql,
                                          const std::vector<std::string>& parameters) {
  const absl::StatusOr<std::string> value = QueryValue(sql, parameters);
  if (!value.ok()) return value.status();
  return *value == "t";
}

// search_path is empty so that nothing in the database decides what a name means.
std::string SessionSettings() {
  return "SET extra_float_digits = 3; SET DateStyle = ISO; SET IntervalStyle = postgres; "
         "SET TimeZone = 'UTC'; SET bytea_output = hex; SET synchronize_seqscans = off; "
         "SET row_security = off; SET statement_timeout = 0; SET lock_timeout = 0; "
         "SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning; "
         "SET standard_conforming_strings = on; SET xmloption = content; "
         "SET quote_all_identifiers = off; SET max_parallel_workers_per_gather = 0; "
         "SELECT pg_catalog.set_config('search_path', '', false); ";
}

}  // namespace holdfast::source
