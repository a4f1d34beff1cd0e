// The agent's configuration, from agent.yaml or embedded defaults (no sources).
//
//   data_directory: /var/lib/holdfast/agent
//   restore_roots: [/srv/restore]     # jobs may write files only below these
//   sources:
//     - {name: uploads, kind: files, root: /srv/uploads, exclude: ["*.tmp"]}
//     - {name: db, kind: postgres, host: /run/postgresql, database: pos, user: backup,
//     password_file: pg.password}
//     - {name: cache, kind: redis, host: 127.0.0.1, port: 6379, password_file: redis.password}
//       # any kind: delta: {enabled: true, cache: 2GiB}; hooks: see hooks.h
//   alerts: {unreachable: 1h, no_backup: 26h, channels: […]}   # dead_man.h
// Hides:      YAML.
// Invariants: names are unique; what a kind does not know is refused.
// Threading:  values and pure functions.
// Errors:     kUsage with file, line and column; kPermission for secrets with wrong rights.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/daemon/dead_man.h"
#include "agent/daemon/hooks.h"
#include "agent/source/files/files_source.h"
#include "agent/source/postgres/postgres_source.h"
#include "agent/source/redis/redis_source.h"
#include "common/log/log.h"
#include "common/rate/rate_limit.h"

namespace holdfast::daemon {

struct SourceConfig {
  std::string name;
  std::variant<source::FilesOptions, source::PostgresOptions, redis::RedisOptions> options;
  bool device_check = true;  // files: refuse a root that is on another device than last time
  bool delta = true;         // changed chunks as deltas of old ones
  std::uint64_t delta_cache_bytes = 2ull << 30;  // of old chunks on this host's disk
  Hooks hooks;

  std::string kind() const;
};

struct AgentConfig {
  std::string data_directory;
  std::string controller;  // host:port, when it is not the one of the enrolment
  std::vector<std::string> restore_roots;
  std::vector<SourceConfig> sources;
  RateTimetable upload;
  int nice = 0;  // 0 … 19, of the whole agent
  log::Options log{"agent", "info", "text"};
  DeadManConfig alerts;

  const SourceConfig* Find(std::string_view name) const;
};

// `path` empty: /etc/holdfast/agent.yaml when it exists, else defaults. A path that was named must
// exist.
absl::StatusOr<AgentConfig> LoadAgentConfig(FileSystem& fs, const std::string& path);

std::unique_ptr<source::Source> MakeSource(Env env, const SourceConfig& config,
                                           std::optional<std::uint64_t> expected_device);

}  // namespace holdfast::daemon
