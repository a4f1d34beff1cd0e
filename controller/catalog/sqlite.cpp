#include "controller/catalog/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr int kPageBytes = 4096;
constexpr int kCheckpointPages = (16 << 20) / kPageBytes;
constexpr int kBusyTimeoutMs = 10'000;

// cache_size is in KiB when negative. The writer's is walked at the end of nearly every transaction
// until the file has a GiB (balancing a tree moves pages by way of the page at 1 GiB, and what lies
// behind the end is then looked for), so a large one costs more than it saves.
// trusted_schema and cell_size_check: the file may have been made or damaged by somebody else.
constexpr char kPragmas[] =
    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
    "PRAGMA temp_store=MEMORY;";
constexpr char kWriterPragmas[] =
    "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=268435456; PRAGMA cache_size=-49152;";
constexpr char kReaderPragmas[] = "PRAGMA query_only=ON; PRAGMA cache_size=-16384;";

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      in_use_(other.in_use_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (in_use_ == nullptr) {
    ::sqlite3_finalize(statement_);
    return;
  }
  Reset();
  ::sqlite3_clear_bindings(statement_);
  *in_use_ = false;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = ::sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return db_->Failure(code);
}

absl::Status Statement::Run() {
  ASSIGN_OR_RETURN(const bool row, Step());
  HOLDFAST_CHECK(!row);
  Reset();
  return absl::OkStatus();
}

void Statement::Reset() { ::sqlite3_reset(statement_); }

std::int64_t Statement::Integer(int column) const {
  return ::sqlite3_column_int64(statement_, column);
}

ByteView Statement::View(int column) const {
  const void* data = ::sqlite3_column_blob(statement_, column);
  const int size = ::sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Bytes Statement::Blob(int column) const { return Bytes(View(column)); }

bool Statement::IsNull(int column) const {
  return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::Status Statement::WrongLength() {
  return Error(ErrorKind::kIntegrity, 5001,
               "unable to read the catalog: an identifier has the wrong length", kDamagedHint);
}

void Statement::BindOne(int index, std::int64_t value) {
  HOLDFAST_CHECK(::sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void Statement::BindOne(int index, ByteView bytes) {
  // A null pointer would bind NULL, where an empty blob is meant.
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  HOLDFAST_CHECK(::sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_STATIC) ==
                 SQLITE_OK);
}

absl::StatusOr<std::unique_ptr<SqliteDb>> SqliteDb::Open(const std::string& path, Mode mode) {
  // Its count of all memory takes a lock at every allocation, and nobody asks for it. SQLITE_MISUSE
  // when somebody used SQLite before: then it counts.
  [[maybe_unused]] static const int configured = ::sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  std::unique_ptr<SqliteDb> db(new SqliteDb(path));
  // A reader needs write access to the shared memory of the WAL; query_only keeps it from more.
  const int code = ::sqlite3_open_v2(path.c_str(), &db->handle_,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return db->Failure(code);
  ::sqlite3_extended_result_codes(db->handle_, 1);
  ::sqlite3_busy_timeout(db->handle_, kBusyTimeoutMs);
  RETURN_IF_ERROR(db->Execute(kPragmas));
  if (mode == Mode::kReader) {
    RETURN_IF_ERROR(db->Execute(kReaderPragmas));
    return db;
  }
  RETURN_IF_ERROR(db->Execute(kWriterPragmas));
  ::sqlite3_wal_hook(db->handle_, &SqliteDb::OnWalCommit, db.get());
  return db;
}

SqliteDb::~SqliteDb() {
  for (auto& [sql, cached] : statements_) ::sqlite3_finalize(cached->statement);
  ::sqlite3_close(handle_);
}

absl::Status SqliteDb::Execute(const char* sql) {
  const int code = ::sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Failure(code);
}

absl::StatusOr<Statement> SqliteDb::Prepare(const char* sql) {
  std::unique_ptr<Cached>& cached = statements_[sql];
  if (!cached) cached = std::make_unique<Cached>();
  if (cached->statement != nullptr && !cached->in_use) {
    cached->in_use = true;
    return Statement(this, cached->statement, &cached->in_use);
  }
  sqlite3_stmt* statement = nullptr;
  const int code =
      ::sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Failure(code);
  if (cached->in_use) return Statement(this, statement, nullptr);
  cached->statement = statement;
  cached->in_use = true;
  return Statement(this, statement, &cached->in_use);
}

absl::StatusOr<std::int64_t> SqliteDb::Number(const char* sql) {
  ASSIGN_OR_RETURN(Statement row, Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? row.Integer(0) : 0;
}

std::int64_t SqliteDb::LastRow() const { return ::sqlite3_last_insert_rowid(handle_); }
std::int64_t SqliteDb::Changes() const { return ::sqlite3_changes64(handle_); }
bool SqliteDb::InTransaction() const { return ::sqlite3_get_autocommit(handle_) == 0; }

absl::Status SqliteDb::Failure(int code) const {
  const std::string what =
      fmt::format("unable to use catalog '{}': {}", Escaped(path_),
                  handle_ == nullptr ? "out of memory" : ::sqlite3_errmsg(handle_));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Error(ErrorKind::kNoSpace, 5004, what, "Free some space or enlarge the volume.");
    case SQLITE_IOERR:
      if (const int error = LastErrno(); error == EDQUOT || error == EFBIG) {
        return ErrnoError(error, 5004, what);
      }
      return Error(ErrorKind::kFailed, 5005, what, "Look at the kernel log for disk errors.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error(ErrorKind::kIntegrity, 5001, what, kDamagedHint);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(ErrorKind::kUnreachable, 5006, what, "Another program has the file open.");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Error(ErrorKind::kPermission, 5005, what, "The controller must own its catalog.");
    default:
      return Error(ErrorKind::kFailed, 5005, what);
  }
}

int SqliteDb::LastErrno() const {
  // SQLite takes no error but ENOSPC for a full disk, and its sqlite3_system_errno() is that of the
  // last call, which may be of the rollback. What a write met is kept with its file: the database's
  // or the log's.
  for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
    sqlite3_file* file = nullptr;
    int error = 0;
    if (handle_ != nullptr && ::sqlite3_file_control(handle_, "main", which, &file) == SQLITE_OK &&
        file != nullptr && file->pMethods != nullptr &&
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK &&
        error != 0) {
      return error;
    }
  }
  return 0;
}

int SqliteDb::OnWalCommit(void* self, sqlite3*, const char*, int pages) {
  static_cast<SqliteDb*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

void SqliteDb::LookAtLog() {
  if (wal_pages_ < kCheckpointPages) return;
  if (on_large_log_) {
    on_large_log_();
    return;
  }
  wal_pages_ = 0;
  // The commit is done and durable: what fails here is tried again after the next one.
  Checkpoint().status().IgnoreError();
}

absl::StatusOr<int> SqliteDb::Checkpoint() {
  int pages = 0;
  const int code =
      ::sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, &pages);
  if (code != SQLITE_OK && code != SQLITE_BUSY) return Failure(code);
  return std::max(pages, 0);
}

absl::Status SqliteDb::CheckpointBehindReaders(absl::Duration patience) {
  ::sqlite3_busy_timeout(handle_, static_cast<int>(absl::ToInt64Milliseconds(patience)));
  const int code =
      ::sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  ::sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
  return code == SQLITE_OK || code == SQLITE_BUSY ? absl::OkStatus() : Failure(code);
}

absl::Status SqliteDb::CheckpointAll() {
  const int code =
      ::sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Failure(code);
}

absl::StatusOr<Transaction> Transaction::BeginWrite(SqliteDb& db) {
  HOLDFAST_FAIL_POINT("catalog.begin");
  RETURN_IF_ERROR(db.Run("BEGIN IMMEDIATE"));
  return Transaction(db);
}

absl::StatusOr<Transaction> Transaction::BeginRead(SqliteDb& db) {
  HOLDFAST_FAIL_POINT("catalog.read");
  RETURN_IF_ERROR(db.Run("BEGIN"));
  return Transaction(db);
}

Transaction::~Transaction() {
  // Some errors (a full disk) have rolled back already.
  if (db_ != nullptr && db_->InTransaction()) db_->Run("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() {
  HOLDFAST_FAIL_POINT("catalog.commit");
  RETURN_IF_ERROR(db_->Run("COMMIT"));
  HOLDFAST_FAIL_POINT("catalog.committed");
  std::exchange(db_, nullptr)->LookAtLog();
  return absl::OkStatus();
}

}  // namespace holdfast::catalog
