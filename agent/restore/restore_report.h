// What a restore did and what the comparison with the manifest found.
//
// Every sink restores, then reads back what it wrote and compares it with what the manifest
// recorded at backup time. Mismatches make the restore exit 5; skipped entries exit 3.
// Threading:  values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct RestoreReport {
  std::uint64_t restored_entries = 0;
  std::uint64_t restored_bytes = 0;
  std::uint64_t compared_items = 0;  // files, tables or databases compared
  std::string compared_what;         // "4,210,331 rows in 12 tables", "52,114 keys in 2 databases"
  std::vector<Problem> mismatches;   // differs from the manifest: kIntegrity
  std::vector<Problem> skipped;      // refused or not creatable: kPartial
  std::vector<std::string> warnings;
  std::string target;  // where it is now
};

// OK, kIntegrity (mismatches; names the first) or kPartial (skipped).
absl::Status StatusOf(const RestoreReport& report);

// Called by sinks now and then from any thread.
class RestoreProgress {
 public:
  virtual ~RestoreProgress() = default;
  virtual void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) = 0;
  virtual void Progressed(std::uint64_t bytes, std::uint64_t entries) = 0;
  virtual void Step(std::string text) = 0;  // "comparing rows"
};

}  // namespace holdfast::restore
