// What the controller tells an operator, as plain values: the messages of proto/operator.proto and
// proto/restore.proto without the generated code.
//
// Times are Unix milliseconds, 0 = never. Names come from the network: print them Escaped().
// Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/bytes.h"
#include "common/report/schedule_types.h"

namespace holdfast::report {

struct Installation {
  Bytes controller_id;
  std::string software_version;
  bool initialized = false;
  Bytes owner_public_key;
  Bytes ca_fingerprint;
  std::string enrollment_address;
  std::string agent_address;
  Bytes recipients;
  std::uint64_t started_at_ms = 0;
};

struct AgentInfo {
  AgentId id;
  std::string name;
  DomainId domain;
  bool connected = false;
  std::uint64_t last_seen_ms = 0;
  std::string host;
  std::string software_version;
  std::uint64_t certificate_not_after_ms = 0;
  bool removed = false;
  std::vector<SourceInfo> sources;
  std::int64_t clock_skew_ms = 0;
};

struct SnapshotSummary {
  SourceId source_id;
  std::string source_name;
  std::string kind;
  AgentId agent_id;
  std::string agent_name;
  DomainId domain;
  std::uint64_t seq = 0;
  Hash256 snapshot_id;
  std::uint64_t taken_at_ms = 0;
  std::uint64_t committed_at_ms = 0;
  bool partial = false;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t chunk_count = 0;
  std::uint64_t verified_at_ms = 0;
  std::uint64_t duration_ms = 0;
};

struct SourceStatus {
  SourceInfo source;
  AgentId agent_id;
  std::string agent_name;
  bool connected = false;
  std::optional<SnapshotSummary> newest;
  std::uint64_t snapshot_count = 0;
  std::string last_error;  // of the newest run, when it failed
  std::uint32_t last_error_code = 0;
  std::uint64_t last_error_at_ms = 0;
  std::uint64_t failures_in_row = 0;
  std::uint64_t newest_verified_ms = 0;
  std::optional<SourceSchedule> schedule;  // with the next run
  std::optional<SourceObjective> objective;
};

// A source with snapshots that need chunks that are lost.
struct Damage {
  SourceId source_id;
  std::string source_name;
  std::uint64_t chunks = 0;
  std::vector<std::uint64_t> seqs;
};

struct StatusReport {
  Installation installation;
  std::vector<SourceStatus> sources;
  std::vector<AgentInfo> agents;
  std::uint64_t store_bytes = 0;
  std::uint64_t store_free_bytes = 0;
  std::uint64_t pack_count = 0;
  std::uint64_t chunk_count = 0;
  std::vector<std::string> warnings;
  std::vector<Damage> damage;
  std::uint64_t scrubbed_at_ms = 0;
  std::vector<SystemObjective> systems;
  std::uint64_t open_alerts = 0;  // not acknowledged
  std::uint64_t acknowledged_alerts = 0;
  std::string gravest_alert;
  std::uint64_t undelivered_alerts = 0;
  std::uint64_t alert_channels = 0;
};

struct ScrubProgress {
  std::uint64_t packs_done = 0;
  std::uint64_t packs_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
};

struct ScrubReport {
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t repaired = 0;
  std::uint64_t parity_made = 0;
  std::uint64_t bad_chunks = 0;
  std::uint64_t revived_chunks = 0;
  std::vector<std::string> damaged_packs;
  std::vector<Damage> damage;
  std::uint64_t duration_ms = 0;
};

enum class Overwrite : std::uint32_t { kRefuse = 0, kChanged = 1, kAll = 2 };

struct RestoreOptions {
  std::string target;
  Overwrite overwrite = Overwrite::kRefuse;
  std::vector<std::string> paths;
  bool preserve_privileged = false;
  bool allow_devices = false;
  bool skip_bad = false;
  bool numeric_ids = false;
  std::string database;
  std::string table;
  std::string into_table;
  std::string connection;
  bool no_globals = false;
  bool as_sql = false;
  bool into_server = false;
  bool apply_acl = false;
};

// A snapshot as a job's subject, and the agent that shall do the job (empty: the source's own).
struct JobTarget {
  SourceId source_id;
  std::uint64_t seq = 0;
  std::string agent_name;
};

struct StartedJob {
  Bytes job_id;
  SourceId source_id;
  std::string agent_name;
};

struct JobProgress {
  Bytes job_id;
  std::string step;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  // 0 = unknown
  std::uint64_t items_done = 0;
  std::uint64_t items_total = 0;
  std::uint64_t new_bytes = 0;
  std::uint64_t stored_bytes = 0;
};

struct JobResult {
  Bytes job_id;
  std::uint32_t exit_code = 0;
  std::uint32_t error_code = 0;
  std::string message;
  std::string hint;
  std::string report_json;
};

using JobEvent = std::variant<JobProgress, JobResult>;

}  // namespace holdfast::report
