// The controller's configuration, from controller.yaml or embedded defaults.
//
//   data_directory: /var/lib/holdfast/controller
//   listen: 127.0.0.1:7443          # gRPC for agents, mutual TLS; port 0 picks a free one
//   listen_enrollment: 127.0.0.1:7444
//   advertise: backup.example.com   # host that agents use; default: the host of `listen`
//   socket: /run/holdfast/controller.sock
//   store: …                        # a bucket, see common/s3/store_config.h; default: a directory
//   parity: 2                       # percent of a pack's size; 0: none (default in a bucket)
//   scrub: {enabled: true, period: 30d, rate: 32MiB}
//   retention: {trash: 14d, delay: 24h}   # forgotten snapshots; then what only they held
//   ingest: {limit: 100 MiB}        # bytes per second of all agents, see common/rate/rate_config.h
//   quota: 500GiB                   # of each agent; absent: no limit
//   log: {level: info, format: text}
//   schedule: …                     # see controller/schedule/schedule_config.h
//   objectives: …                   # see controller/objective/objective_config.h
//   alerts: …, contacts: …, providers: …  # controller/alert/alert_config.h
//   http: {listen: 127.0.0.1:7445}  # health and metrics, see http_config.h
// Hides:     YAML.
// Threading: values and pure functions.
// Errors:    kUsage with file, line and column.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/env/file_system.h"
#include "common/format/parity.h"
#include "common/log/log.h"
#include "common/rate/rate_limit.h"
#include "common/s3/client.h"
#include "controller/alert/alert_config.h"
#include "controller/daemon/host_port.h"
#include "controller/http/http_server.h"
#include "controller/objective/objective_config.h"
#include "controller/quota/quotas.h"
#include "controller/retention/collector.h"
#include "controller/schedule/schedule_config.h"
#include "controller/scrub/scrubber.h"

namespace holdfast::daemon {

struct ControllerConfig {
  std::string data_directory;
  HostPort listen{"127.0.0.1", 7443};
  HostPort listen_enrollment{"127.0.0.1", 7444};
  std::string advertise;
  std::string socket_path;
  std::optional<s3::Options> bucket;  // absent: the store is below data_directory
  unsigned parity_percent = kDefaultParityPercent;
  scrub::ScrubOptions scrub;
  retention::CollectorOptions retention;
  schedule::ScheduleConfig schedule;
  objective::ObjectiveConfig objectives;
  RateTimetable ingest;
  quota::QuotaConfig quota;
  log::Options log{"controller", "info", "text"};
  alert::AlertConfig alerts;
  std::optional<http::HttpOptions> http;  // absent: nobody listens
};

// `path` empty: /etc/holdfast/controller.yaml when it exists, else defaults. A path that was named
// must exist.
absl::StatusOr<ControllerConfig> LoadControllerConfig(FileSystem& fs, const std::string& path);

// Keys that differ and are read at the start only.
std::vector<std::string_view> ChangesThatNeedARestart(const ControllerConfig& now,
                                                      const ControllerConfig& fresh);

}  // namespace holdfast::daemon
