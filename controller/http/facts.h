// What a monitor is told about: one moment of the controller, as values; and what other parts of
// the controller say about it.
//
// Threading: values; the functions of Views from any thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::http {

// A time of the catalog; InfinitePast for 0, which means never.
inline absl::Time TimeOf(std::uint64_t unix_ms) {
  return unix_ms == 0 ? absl::InfinitePast()
                      : absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

// What schedule and objectives say of one source.
struct SourcePlan {
  std::string next_run;                                // empty: none
  std::optional<absl::Duration> recovery_point;        // how old its newest point may be
  absl::Duration recovery_age = absl::ZeroDuration();  // how old it is
  bool is_too_old = false;                             // the objective is broken by its age
  bool is_restore_too_slow = false;                    // or by a restore that was measured
};

struct Plans {
  std::map<SourceId, SourcePlan> sources;
  std::vector<std::string> broken_systems;  // names
  std::string next_scheduled;               // "02:00 UTC daily", of all sources; empty: none
};

struct Outbox {
  std::uint64_t depth = 0;        // messages that wait or are being sent
  std::uint64_t undelivered = 0;  // of them those that a channel did not take, and those given up
};

// Questions to the parts that know. An empty function means that nobody knows: the answer is then
// left out.
struct Views {
  std::function<bool(const AgentId&)> is_connected;
  std::function<std::uint64_t()> unfinished_jobs;
  std::function<absl::StatusOr<Plans>()> plans;
  std::function<absl::StatusOr<Outbox>()> outbox;
  std::function<bool()> was_reload_refused;  // the changed configuration is not used
};

struct SourceFacts {
  SourceId id;
  std::string name;
  std::string kind;
  std::string agent;
  bool is_connected = false;
  std::optional<catalog::SnapshotRow> newest;
  std::uint64_t snapshot_count = 0;
  std::uint64_t logical_bytes = 0;             // of all its snapshots together
  std::optional<catalog::RunFailure> failure;  // of the newest run, when it failed
  std::uint64_t damaged_snapshots = 0;
  SourcePlan plan;

  // By the controller's clock: that of the agent may be wrong.
  absl::Time last_success() const { return TimeOf(newest ? newest->committed_at_ms : 0); }
};

struct AgentFacts {
  std::string name;
  bool is_connected = false;
  absl::Time last_seen;  // InfinitePast: never
  absl::Time certificate_ends;
};

struct Facts {
  absl::Time at;
  absl::Time started_at;
  bool has_owner = false;
  bool is_writable = true;
  std::vector<SourceFacts> sources;
  std::vector<AgentFacts> agents;
  catalog::Totals totals;
  std::uint64_t free_bytes = 0;
  std::uint64_t catalog_bytes = 0;
  absl::Time server_certificate_ends;
  absl::Time authority_ends;
  absl::Time scrubbed_at;  // InfinitePast: not yet
  std::uint64_t unfinished_jobs = 0;
  std::optional<Outbox> outbox;
  std::vector<std::string> broken_systems;
  bool was_reload_refused = false;
  std::string next_scheduled;
};

}  // namespace holdfast::http
