// PgCopy over libpq, whose COPY calls libpqxx does not offer row by row.
#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

#include "agent/source/postgres/session.h"
#include "agent/source/postgres/session_error.h"
#include "common/base/error.h"

namespace holdfast::source {
namespace {

constexpr int kPollMilliseconds = 200;  // how late a stop may be noticed

struct ConnectionCloser {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ResultCloser {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultCloser>;

void IgnoreNotice(void*, const PGresult*) {}

class LibpqCopy final : public PgCopy {
 public:
  LibpqCopy(PGconn* connection, std::stop_token stop) : connection_(connection), stop_(stop) {
    PQsetNoticeReceiver(connection, IgnoreNotice, nullptr);
  }

  absl::Status Execute(const std::string& sql) override {
    const std::stop_callback cancel(stop_, [this] { Cancel(); });
    if (stop_.stop_requested()) return Stopped();
    const Result result(PQexec(connection_.get(), sql.c_str()));
    switch (PQresultStatus(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        return absl::OkStatus();
      default:
        return Failure(result.get());
    }
  }

  absl::Status CopyOut(const std::string& sql,
                       absl::FunctionRef<absl::Status(ByteView)> on_row) override {
    RETURN_IF_ERROR(Begin(sql, PGRES_COPY_OUT));
    bool wait = false;  // only when nothing came: most of the time the server is ahead
    while (true) {
      char* row = nullptr;
      const int size = PQgetCopyData(connection_.get(), &row, 1);
      if (size > 0) {
        absl::Status status = on_row(ByteView(row, static_cast<std::size_t>(size)));
        PQfreemem(row);
        if (!status.ok()) return Abandon(std::move(status));
        wait = false;
        continue;
      }
      if (size < 0) break;  // -1 end, -2 error: the result tells
      if (stop_.stop_requested()) return Abandon(Stopped());
      if (wait) RETURN_IF_ERROR(WaitFor(POLLIN));
      if (PQconsumeInput(connection_.get()) == 0) return Failure(nullptr);
      wait = true;
    }
    return Finish();
  }

  absl::Status CopyIn(const std::string& sql,
                      absl::FunctionRef<absl::Status(WriteCopy)> produce) override {
    RETURN_IF_ERROR(Begin(sql, PGRES_COPY_IN));
    const auto write = [this](ByteView bytes) -> absl::Status {
      if (stop_.stop_requested()) return Stopped();
      while (!bytes.empty()) {
        const std::size_t size = std::min<std::size_t>(bytes.size(), 1u << 20);
        if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(size)) != 1) {
          return Failure(nullptr);
        }
        bytes.remove_prefix(size);
      }
      return absl::OkStatus();
    };
    absl::Status produced = produce(write);
    if (!produced.ok()) {
      if (PQputCopyEnd(connection_.get(), "the rows could not be read") == 1) Drain();
      return produced;
    }
    if (PQputCopyEnd(connection_.get(), nullptr) != 1) return Failure(nullptr);
    return Finish();
  }

 private:
  static absl::Status Stopped() { return Error(ErrorKind::kFailed, 2112, "the run was stopped"); }

  absl::Status Begin(const std::string& sql, ExecStatusType expected) {
    const std::stop_callback cancel(stop_, [this] { Cancel(); });
    if (stop_.stop_requested()) return Stopped();
    const Result result(PQexec(connection_.get(), sql.c_str()));
    if (PQresultStatus(result.get()) == expected) return absl::OkStatus();
    return Failure(result.get());
  }

  // The outcome of a COPY arrives after its last row; without it the rows prove nothing.
  absl::Status Finish() {
    absl::Status status;
    bool seen = false;
    while (const Result result{PQgetResult(connection_.get())}) {
      if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) {
        seen = true;
      } else if (status.ok()) {
        status = Failure(result.get());
      }
      if (PQstatus(connection_.get()) != CONNECTION_OK) break;
    }
    if (!status.ok()) return status;
    return seen ? absl::OkStatus() : Failure(nullptr);
  }

  absl::Status Abandon(absl::Status status) {
    Cancel();
    char* row = nullptr;
    while (PQgetCopyData(connection_.get(), &row, 0) > 0) PQfreemem(row);
    Drain();
    return status;
  }

  void Drain() {
    while (PQstatus(connection_.get()) == CONNECTION_OK) {
      const Result result(PQgetResult(connection_.get()));
      if (result == nullptr) break;
    }
  }

  absl::Status WaitFor(short events) {
    while (!stop_.stop_requested()) {
      pollfd fd = {PQsocket(connection_.get()), events, 0};
      const int ready = ::poll(&fd, 1, kPollMilliseconds);
      if (ready > 0) return absl::OkStatus();
      if (ready < 0 && errno != EINTR) return LostError(std::strerror(errno));
    }
    return Abandon(Stopped());
  }

  void Cancel() {
    PGcancel* cancel = PQgetCancel(connection_.get());
    if (cancel == nullptr) return;
    char reason[256];
    (void)PQcancel(cancel, reason, sizeof reason);
    PQfreeCancel(cancel);
  }

  absl::Status Failure(const PGresult* result) {
    const std::string text =
        result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection_.get());
    if (stop_.stop_requested()) return Stopped();
    if (PQstatus(connection_.get()) != CONNECTION_OK) return LostError(text);
    const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    // 57P01…03: the server ends this connection, whatever libpq still believes.
    if (state != nullptr && std::string_view(state).starts_with("57P")) return LostError(text);
    return StatementError(state != nullptr ? state : "", text);
  }

  std::unique_ptr<PGconn, ConnectionCloser> connection_;
  std::stop_token stop_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PgCopy>> PgCopy::Open(const PostgresConnection& connection,
                                                     std::stop_token stop) {
  std::unique_ptr<PGconn, ConnectionCloser> opened(
      PQconnectdb(ConnectionString(connection).c_str()));
  if (PQstatus(opened.get()) != CONNECTION_OK) {
    return ConnectError(connection, PQerrorMessage(opened.get()));
  }
  const char* encoding = PQparameterStatus(opened.get(), "server_encoding");
  const bool ascii = encoding != nullptr && std::string_view(encoding) == "SQL_ASCII";
  auto copy = std::make_unique<LibpqCopy>(opened.release(), stop);
  RETURN_IF_ERROR(copy->Execute(
      SessionSettings() + "SET client_encoding = " + QuoteLiteral(ascii ? "SQL_ASCII" : "UTF8")));
  return copy;
}

}  // namespace holdfast::source
