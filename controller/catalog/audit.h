// The part of the catalog that remembers who changed what: settings, and what was deleted.
//
// Hides:      SQL, the chain.
// Invariants: I1  Audited changes something and notes it in one transaction: both or neither.
//             I2  Every row has a hash over itself and the row before. A row that was changed,
//                 left out or put in between shows; whoever makes the rest of the chain anew is
//                 found only by a hash that was written down elsewhere.
//             I3  The newest kAuditRowsKept rows are kept, and at least that many.
// Threading:  every method from any thread.
// Errors:     as catalog.h, and of the change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"

namespace holdfast::catalog {

inline constexpr std::int64_t kAuditRowsKept = 100'000;

struct AuditEntry {
  std::uint64_t at_ms = 0;  // Unix milliseconds
  std::string by;           // what the login says of itself, "agent web-1", "the policy"
  std::string action;       // "schedule.set"
  std::string object;       // "web-1/db"
  std::string detail;       // what was, and what is
};

struct AuditRow {
  std::int64_t id = 0;  // counts up, never used twice
  AuditEntry entry;
  Hash256 hash;  // I2
};

struct AuditPage {
  std::vector<AuditRow> rows;  // newest first
  std::uint64_t total = 0;
  std::optional<std::int64_t> broken_at;  // the first row that does not follow from the one before
};

class AuditTrail {
 public:
  virtual ~AuditTrail() = default;

  // `change` calls methods of this catalog on this thread, all in the one transaction. It must not
  // wait for another thread that writes, commit a snapshot or purge.
  virtual absl::Status Audited(const AuditEntry& entry,
                               absl::FunctionRef<absl::Status()> change) = 0;
  // Checks the whole chain too.
  virtual absl::StatusOr<AuditPage> ReadAudit(std::uint32_t limit) = 0;
};

// The hash of a row after a row with the hash `before`; zero before the first.
Hash256 AuditHash(const Hash256& before, std::int64_t id, const AuditEntry& entry);

}  // namespace holdfast::catalog
