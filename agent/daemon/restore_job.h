// Chooses the sink for a snapshot's kind and runs it.
//
// Invariants: paths were judged by the caller (TargetPolicy for jobs; a person at the host for
//             `recover`).
// Threading:  blocks.
// Errors:     kUsage 3008 for options that do not fit the kind; else of the sink. A report is
//             filled even when the sink returned mismatches; StatusOf(report) is then the result.
#pragma once

#include <string>
#include <vector>

#include "agent/daemon/agent_config.h"
#include "agent/restore/restore_report.h"
#include "common/snapshot/opener.h"

namespace holdfast::daemon {

// The fields of holdfast.v1.RestoreOptions.
struct RestoreRequest {
  std::string target;
  int overwrite = 0;  // 0 refuse, 1 changed, 2 all
  std::vector<std::string> paths;
  bool preserve_privileged = false;
  bool allow_devices = false;
  bool skip_bad = false;
  bool numeric_ids = false;
  std::string database;
  std::string table;
  std::string into_table;
  bool no_globals = false;
  bool as_sql = false;
  bool into_server = false;
  bool apply_acl = false;
};

struct RestoreServers {
  std::optional<source::PostgresConnection> postgres;
  std::string postgres_database;  // where one table goes when no database is named
  std::optional<redis::RedisAddress> redis;
  std::vector<std::string> forbidden_roots;
};

absl::StatusOr<restore::RestoreReport> RunRestore(Env env, const OpenedSnapshot& snapshot,
                                                  const RestoreRequest& request,
                                                  const RestoreServers& servers,
                                                  restore::RestoreProgress& progress,
                                                  std::stop_token stop);

// Jobs may write only below the agent's restore_roots: kPermission 3009 otherwise.
absl::Status CheckTargetAllowed(const AgentConfig& config, const std::string& target);

}  // namespace holdfast::daemon
