// Fills an empty database from a snapshot and compares what is in it with the manifest.
//
// Invariants: I1  Constraints, indexes and triggers are made after the rows.
//             I2  Rows below a hash partition are loaded through the root, because enum and text
//                 hashes may differ here, and compared as a sum over the root.
//             I3  A large table is written and read back in parts, by several workers at once.
// Threading:  LoadRows and CompareAll start `workers` threads and join them.
// Errors:     kFailed 3105 names the object the server refused; kIntegrity for damaged content.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/restore/postgres/dump_script.h"
#include "agent/restore/postgres/snapshot_content.h"
#include "agent/restore/restore_report.h"
#include "agent/source/postgres/session.h"

namespace holdfast::restore {

struct LoadTarget {
  source::PostgresConnection connection;  // to the database
  int workers = 2;
  bool superuser = false;
  std::vector<std::string> missing_tablespaces;
  std::uint64_t pages_per_part = source::kPagesPerPart;
};

// Runs a script item by item. `on_failure` may forgive an item by returning OK.
using OnFailure = std::function<absl::Status(const DumpItem&, absl::Status)>;
absl::Status ExecuteDump(const LoadTarget& target, const std::string& script,
                         const OnFailure& on_failure, std::stop_token stop);

absl::Status LoadRows(const LoadTarget& target, const SnapshotView& view,
                      const SnapshotContent& content, RestoreProgress& progress,
                      std::stop_token stop);
absl::Status LoadSequences(const LoadTarget& target, const SnapshotContent& content,
                           std::stop_token stop);
absl::Status LoadLargeObjects(const LoadTarget& target, const SnapshotView& view,
                              const SnapshotContent& content, std::stop_token stop);

// Adds to `report` what was compared and what differs.
absl::Status CompareAll(const LoadTarget& target, const SnapshotContent& content,
                        RestoreReport& report, std::stop_token stop);

}  // namespace holdfast::restore
