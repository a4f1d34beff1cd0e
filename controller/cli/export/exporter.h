// The classic archive: database.sql, redis.rdb, uploads.tar.gz, config/, env.backup in one tar, for
// an operator who has no Holdfast.
//
// Hides:      member names, the spool file for nested archives (their size must be known first).
// Invariants: I1  `output` appears complete or not at all; an existing file is never replaced.
//             I2  Nothing larger than a few chunks is held in memory.
// Threading:  one thread.
// Errors:     kConflict 1240 when the output exists; kUsage 1241 when two members would share a
//             name; of the snapshots and the disk unchanged.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::cli {

struct ExportedSnapshot {
  std::shared_ptr<const SnapshotView> view;
  std::string source;
  std::string agent;
  std::string kind;
  std::string snapshot;  // "db@57"
  std::string id;
  std::uint64_t taken_at_ms = 0;
};

struct ExportMember {
  std::string path;
  std::string snapshot;
  std::uint64_t bytes = 0;
};

struct ExportResult {
  std::vector<ExportMember> members;
  std::vector<std::string> warnings;  // escaped
  std::uint64_t bytes = 0;            // of the archive
};

// `on_member` is told of each member before it is written.
absl::StatusOr<ExportResult> WriteExport(Env env, const std::string& output,
                                         const std::vector<ExportedSnapshot>& snapshots,
                                         std::function<void(const std::string&)> on_member);

}  // namespace holdfast::cli
