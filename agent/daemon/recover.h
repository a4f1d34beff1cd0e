// Recovery on a bare machine with the recovery kit: from a copy of the store, or from a living
// controller.
//
// Hides:      where documents and objects come from; the login with the owner key.
// Invariants: trust comes from the kit alone: the owner key in it, not the one that the store or
//             controller shows.
// Threading:  blocks.
// Errors:     kPermission when the kit does not fit, kNotFound for sources and snapshots, else of
//             store and sinks.
#pragma once

#include <string>
#include <vector>

#include "agent/daemon/restore_job.h"
#include "common/format/recovery_kit.h"

namespace holdfast::daemon {

struct RecoverOptions {
  std::string kit_path;
  std::string store_directory;     // or
  std::string bucket_config;       // YAML with a section 'store', or
  std::string controller_address;  // host:port of enrolment
  std::string source;              // name; empty: list
  std::uint64_t seq = 0;           // 0: newest
};

struct RecoverableSnapshot {
  SourceId source_id;
  std::string source_name;
  std::string kind;
  std::uint64_t seq = 0;
  absl::Time taken_at;
  bool partial = false;
  std::string problem;  // why it does not open; empty: it does
};

// A way to the snapshots, opened with the kit's recovery key.
class RecoveryAccess {
 public:
  static absl::StatusOr<std::unique_ptr<RecoveryAccess>> Open(Env env,
                                                              const RecoverOptions& options);
  virtual ~RecoveryAccess() = default;
  virtual absl::StatusOr<std::vector<RecoverableSnapshot>> List() = 0;  // by source name, seq
  virtual absl::StatusOr<OpenedSnapshot> OpenOne(const SourceId& source, std::uint64_t seq) = 0;
};

// The snapshot that `options` names.
absl::StatusOr<OpenedSnapshot> FindSnapshot(RecoveryAccess& access, const RecoverOptions& options);

}  // namespace holdfast::daemon
