// The audit trail over the catalog's own connections.
//
// Hides:      SQL is in audit.cpp.
// Invariants: as audit.h.
// Threading:  every method from any thread.
// Errors:     as audit.h.
#pragma once

#include <atomic>
#include <thread>

#include "controller/catalog/audit.h"

namespace holdfast::catalog {

class SqliteCatalog;
class SqliteDb;

class SqliteAudit final : public AuditTrail {
 public:
  explicit SqliteAudit(SqliteCatalog& catalog) : catalog_(catalog) {}

  absl::Status Audited(const AuditEntry& entry, absl::FunctionRef<absl::Status()> change) override;
  absl::StatusOr<AuditPage> ReadAudit(std::uint32_t limit) override;
  // This thread is inside Audited: what it asks of the catalog belongs to that transaction.
  bool IsHere() const { return inside_ == std::this_thread::get_id(); }

 private:
  SqliteCatalog& catalog_;
  std::atomic<std::thread::id> inside_{};  // set under the writer's lock
};

// Within the transaction of what it is about.
absl::Status WriteAudit(SqliteDb& db, const AuditEntry& entry);

}  // namespace holdfast::catalog
