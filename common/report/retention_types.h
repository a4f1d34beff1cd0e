// Retention, trash and collection as the controller tells them, as plain values.
//
// Times are Unix milliseconds.
// Threading:  values.
#pragma once

#include <string>
#include <vector>

#include "common/report/operator_types.h"

namespace holdfast::report {

struct RetentionPolicy {
  std::uint64_t within_seconds = 0;
  std::uint32_t last = 0;
  std::uint32_t hourly = 0;
  std::uint32_t daily = 0;
  std::uint32_t weekly = 0;
  std::uint32_t monthly = 0;
  std::uint32_t yearly = 0;
  std::uint32_t verified = 1;
};

struct RetentionVerdict {
  std::uint64_t seq = 0;
  std::uint64_t committed_at_ms = 0;
  bool keep = true;
  std::string reason;
};

struct Retention {
  RetentionPolicy policy;
  bool is_default = true;
  std::vector<RetentionVerdict> verdicts;  // newest first
  std::string pause;                       // why nothing expires by itself
};

struct TrashedSnapshot {
  SnapshotSummary snapshot;
  std::uint64_t purge_after_ms = 0;
};

struct Collected {
  std::vector<std::string> trashed;
  std::vector<std::string> purged;
  std::uint64_t swept_chunks = 0;
  std::uint64_t swept_bytes = 0;
  std::uint64_t removed_packs = 0;
  std::uint64_t repacked_packs = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t waiting_bytes = 0;
  std::uint64_t removed_documents = 0;
  std::vector<std::string> notes;
};

}  // namespace holdfast::report
