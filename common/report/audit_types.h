// Who changed what, as the controller tells it, as plain values.
//
// Times are Unix milliseconds.
// Threading:  values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::report {

struct AuditRow {
  std::int64_t id = 0;
  std::uint64_t at_ms = 0;
  std::string by;
  std::string action;
  std::string object;
  std::string detail;
};

struct AuditList {
  std::vector<AuditRow> rows;  // newest first
  std::uint64_t total = 0;
  std::int64_t broken_at = 0;  // the first row that does not follow from the one before; 0: none
  Bytes newest_hash;           // over all rows
};

}  // namespace holdfast::report
