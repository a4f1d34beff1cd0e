// SQLite, as much of it as the catalog needs: a connection, cached statements, a transaction.
//
// Hides:      the C API, result codes, statement reuse, checkpoints.
// Invariants: I1  A Transaction that is not committed is rolled back.
//             I2  A Statement is reset and its bindings are cleared when it goes.
//             I3  The WAL is checkpointed after a commit that leaves it larger than 16 MiB.
// Threading:  a connection belongs to one thread at a time.
// Errors:     kNoSpace 5004 (disk full), kIntegrity 5001 (damaged database), kUnreachable 5006
//             (busy), kFailed 5005 (I/O and anything else).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace holdfast::catalog {

inline constexpr char kDamagedHint[] =
    "Keep the file. Stop the controller and run 'holdfast-controller rebuild-catalog' (with the "
    "same "
    "--config): it makes the catalog anew from the store and moves the old one aside.";

class SqliteDb;

class Statement {
 public:
  Statement(SqliteDb* db, sqlite3_stmt* statement, bool* in_use)
      : db_(db), statement_(statement), in_use_(in_use) {}
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Values for ?1, ?2, …; bytes are not copied and must live until the next Reset.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }
  absl::StatusOr<bool> Step();  // true: a row is there
  absl::Status Run();           // for statements without rows; then ready to be bound again
  void Reset();

  std::int64_t Integer(int column) const;
  std::uint64_t Unsigned(int column) const { return static_cast<std::uint64_t>(Integer(column)); }
  Bytes Blob(int column) const;  // also text; empty for NULL
  bool IsNull(int column) const;
  // kIntegrity 5001 when the column has another length.
  template <typename Fixed>
  absl::StatusOr<Fixed> Id(int column) const {
    const auto id = Fixed::From(View(column));
    if (id) return *id;
    return WrongLength();
  }

 private:
  void BindOne(int index, std::int64_t value);
  void BindOne(int index, std::uint64_t value) { BindOne(index, static_cast<std::int64_t>(value)); }
  void BindOne(int index, int value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, std::uint32_t value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, bool value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, ByteView bytes);  // a blob
  void BindOne(int index, const Bytes& bytes) { BindOne(index, ByteView(bytes)); }
  template <typename Tag, std::size_t N>
  void BindOne(int index, const FixedBytes<Tag, N>& id) {
    BindOne(index, id.view());
  }
  template <typename Value>
  void BindOne(int index, const std::optional<Value>& value) {  // NULL when not set
    if (value) BindOne(index, *value);
  }
  ByteView View(int column) const;
  static absl::Status WrongLength();

  SqliteDb* db_;
  sqlite3_stmt* statement_;
  bool* in_use_;  // null: of its own, finalised by the destructor
};

class SqliteDb {
 public:
  enum class Mode { kWriter, kReader };
  // The file must exist. The writer turns WAL on; a reader is query_only.
  static absl::StatusOr<std::unique_ptr<SqliteDb>> Open(const std::string& path, Mode mode);
  ~SqliteDb();

  absl::Status Execute(const char* sql);  // any number of statements, no values
  // Cached by the pointer: `sql` must be a literal.
  absl::StatusOr<Statement> Prepare(const char* sql);
  template <typename... Values>
  absl::Status Run(const char* sql, const Values&... values) {
    auto statement = Prepare(sql);
    if (!statement.ok()) return statement.status();
    return statement->Bind(values...).Run();
  }
  // The first column of the first row; 0 when there is none.
  absl::StatusOr<std::int64_t> Number(const char* sql);
  std::int64_t LastRow() const;
  std::int64_t Changes() const;  // rows of the last statement
  bool InTransaction() const;

  absl::Status Failure(int code) const;
  // A commit that leaves a large log calls this; without it, the commit checkpoints.
  void OnLargeLog(std::function<void()> action) { on_large_log_ = std::move(action); }
  // As much as readers and writers allow. How many pages of the log are in the database now; 0 when
  // the log began anew, or when somebody else does this.
  absl::StatusOr<int> Checkpoint();
  // Also waits for readers of older states, `patience` at most: the log can begin anew then. What
  // was not done in that time is no error.
  absl::Status CheckpointBehindReaders(absl::Duration patience);
  absl::Status CheckpointAll();  // the log is empty afterwards

 private:
  explicit SqliteDb(std::string path) : path_(std::move(path)) {}
  friend class Transaction;
  int LastErrno() const;  // of the file whose last call failed; 0: of none
  static int OnWalCommit(void* self, sqlite3*, const char*, int pages);
  void LookAtLog();

  struct Cached {
    sqlite3_stmt* statement = nullptr;
    bool in_use = false;
  };
  const std::string path_;
  sqlite3* handle_ = nullptr;
  absl::flat_hash_map<const char*, std::unique_ptr<Cached>> statements_;
  int wal_pages_ = 0;
  std::function<void()> on_large_log_;
};

class Transaction {
 public:
  static absl::StatusOr<Transaction> BeginWrite(SqliteDb& db);
  static absl::StatusOr<Transaction> BeginRead(SqliteDb& db);  // one consistent state
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(SqliteDb& db) : db_(&db) {}
  SqliteDb* db_;  // null once committed
};

}  // namespace holdfast::catalog
