// What a monitor is told about: one moment of the controller, as values; and what other parts of
// the controller say about it.
//
// Threading: values; the functions of Views from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/catalog/catalog_rows.h"

namespace holdfast::http {

// How old the newest snapshot of a source may be when nobody set an objective.
inline constexpr absl::Duration kDefaultRecoveryPoint = absl::Hours(25);

// A time of the catalog; InfinitePast for 0, which means never.
inline absl::Time TimeOf(std::uint64_t unix_ms) {
  return unix_ms == 0 ? absl::InfinitePast()
                      : absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

// Questions to the parts that know. An empty function means that nobody knows: the answer is then
// left out.
struct Views {
  std::function<bool(const AgentId&)> is_connected;
  std::function<std::uint64_t()> unfinished_jobs;
  std::function<std::string()> next_scheduled;           // "02:00 UTC daily", of all sources
  std::function<std::string(const SourceId&)> next_run;  // of one; empty: never by itself
  std::function<std::optional<absl::Duration>(const SourceId&)> recovery_point;  // its objective
  std::function<std::uint64_t()> outbox_depth;  // notices that wait to be delivered
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
  absl::Duration recovery_point = kDefaultRecoveryPoint;
  std::string next_run;

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
  std::optional<std::uint64_t> outbox_depth;
  std::string next_scheduled;
};

}  // namespace holdfast::http
