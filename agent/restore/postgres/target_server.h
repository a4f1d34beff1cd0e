// The server a restore writes to: what it lacks, the temporary database, roles, the final rename.
//
// Invariants: I1  Nothing but the temporary database and missing roles is created before Publish.
//             I2  The destructor of TemporaryDatabase drops both unless Publish or Keep was called.
// Threading:  one thread.
// Errors:     see postgres_sink.h.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/restore/postgres/postgres_sink.h"
#include "agent/restore/postgres/snapshot_content.h"
#include "agent/source/postgres/session.h"

namespace holdfast::restore {

class TemporaryDatabase {
 public:
  // Checks everything that can be missing and creates an empty database; kRefused lists the lacks.
  static absl::StatusOr<std::unique_ptr<TemporaryDatabase>> Create(
      const SnapshotContent& content, const PostgresRestoreOptions& options, std::stop_token stop);
  ~TemporaryDatabase();
  TemporaryDatabase(const TemporaryDatabase&) = delete;
  TemporaryDatabase& operator=(const TemporaryDatabase&) = delete;

  // Roles, memberships and tablespaces that do not exist yet. Failures that no object of the
  // database depends on become warnings.
  absl::Status RestoreGlobals(std::vector<std::string>& warnings);
  // Owner, comment, grants, settings and limits of the database.
  absl::Status ApplyProperties();
  absl::Status Publish();  // renames it to its final name
  void Keep() { dropped_ = true; }

  const std::string& name() const { return connection_.database; }
  const source::PostgresConnection& connection() const { return connection_; }  // to the database
  bool superuser() const { return superuser_; }
  std::vector<std::string> missing_tablespaces() const { return missing_tablespaces_; }

 private:
  TemporaryDatabase(const SnapshotContent& content, const PostgresRestoreOptions& options)
      : content_(content), options_(options) {}
  absl::Status Connect(std::stop_token stop);
  absl::Status CheckVersionAndName();
  absl::StatusOr<std::vector<std::string>> Lacks();
  absl::Status CreateEmpty(std::vector<std::string> lacks);
  absl::Status RestoreGlobal(const std::string& statement, std::vector<std::string>& warnings);
  void Drop();

  const SnapshotContent& content_;
  const PostgresRestoreOptions& options_;
  source::PostgresConnection connection_;
  std::unique_ptr<source::PgSession> server_;  // on the maintenance database
  std::vector<std::string> created_roles_;
  std::vector<std::string> missing_tablespaces_;
  bool superuser_ = false;
  bool dropped_ = true;  // nothing to drop yet, or no longer
};

// The value of a setting as the list or the literal that ALTER … SET takes.
std::string SettingValue(const std::string& name, const std::string& value);

}  // namespace holdfast::restore
