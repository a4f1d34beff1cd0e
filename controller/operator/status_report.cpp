#include "controller/operator/status_report.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/version.h"
#include "controller/control/summaries.h"
#include "controller/operator/alert_calls.h"
#include "controller/operator/quota_calls.h"
#include "controller/operator/schedule_calls.h"
#include "controller/operator/scrub_run.h"
#include "fmt/format.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::int64_t kClockWarnMs = 60'000;
constexpr std::uint32_t kEverySnapshot = 1'000'000;
constexpr std::uint64_t kLowSpaceBytes = 1ull << 30;

absl::Status FillSourceStatus(const OperatorServiceOptions& options,
                              const catalog::SourceRow& source, v1::SourceStatus* out) {
  control::FillSource(source, out->mutable_source());
  out->set_agent_id(source.agent.bytes());
  out->set_connected(options.board->IsConnected(source.agent));
  const auto agent = options.catalog->GetAgent(source.agent);
  if (agent.ok()) out->set_agent_name(agent->name);
  ASSIGN_OR_RETURN(const auto snapshots, options.catalog->ListSnapshots(source.id, kEverySnapshot));
  out->set_snapshot_count(snapshots.size());
  if (!snapshots.empty()) {
    control::FillSummary(snapshots.front(), source, out->agent_name(), out->mutable_newest());
  }
  ASSIGN_OR_RETURN(const auto failure, options.catalog->LastFailure(source.id));
  if (failure) {
    control::FillFailure(*failure, out);
    out->set_failures_in_row(failure->in_row);
  }
  std::uint64_t verified_ms = 0;
  for (const auto& snapshot : snapshots) {
    verified_ms = std::max(verified_ms, snapshot.verified_at_ms);
  }
  out->set_newest_verified_ms(verified_ms);
  return absl::OkStatus();
}

// Both lists are of the same sources; one that came between the two has nothing to show yet.
absl::Status FillPlans(const OperatorServiceOptions& options, v1::StatusReply* out) {
  ASSIGN_OR_RETURN(const auto schedules, options.scheduler->List(1));
  ASSIGN_OR_RETURN(const objective::Report report, options.objectives->Judge());
  for (v1::SourceStatus& source : *out->mutable_sources()) {
    const std::string& id = source.source().source_id();
    for (const auto& one : schedules) {
      if (one.source.id.view() == id) FillSchedule(one, source.mutable_schedule());
    }
    for (const auto& one : report.sources) {
      if (one.source.id.view() == id) FillObjective(one, source.mutable_objective());
    }
  }
  for (const auto& system : report.systems) FillObjective(system, out->add_systems());
  return absl::OkStatus();
}

void AddWarnings(const OperatorServiceOptions& options, v1::StatusReply* out) {
  if (!options.store->writable()) {
    out->add_warnings("the store refuses writes after a failed sync; see the controller's log");
  }
  if (out->store_free_bytes() < kLowSpaceBytes) {
    out->add_warnings("less than 1 GiB is free where the store lies");
  }
  if (!options.mount_warning.empty()) out->add_warnings(options.mount_warning);
  if (const std::string trouble = options.config_trouble(); !trouble.empty()) {
    out->add_warnings("the changed configuration is not used: " + trouble);
  }
  for (const v1::AgentInfo& agent : out->agents()) {
    const auto id = AgentId::From(agent.agent_id());
    if (id && options.board->RefusedItsConfig(*id)) {
      out->add_warnings(fmt::format(
          "agent '{}' cannot use its changed configuration and goes on with the old one; see its "
          "log",
          Escaped(agent.name())));
    }
    if (std::abs(agent.clock_skew_ms()) > kClockWarnMs) {
      out->add_warnings(fmt::format("the clock of agent '{}' is {} s off", Escaped(agent.name()),
                                    agent.clock_skew_ms() / 1000));
    }
  }
}

}  // namespace

absl::Status FillInstallation(const OperatorServiceOptions& options, v1::Installation* out) {
  ASSIGN_OR_RETURN(const catalog::Installation row, options.catalog->GetInstallation());
  out->set_controller_id(row.controller_id);
  out->set_software_version(kVersion);
  out->set_initialized(row.owner.has_value());
  if (row.owner) out->set_owner_public_key(row.owner->bytes());
  out->set_ca_fingerprint(options.ca_fingerprint.bytes());
  out->set_enrollment_address(options.enrollment_address);
  out->set_agent_address(options.agent_address);
  out->set_recipients(row.recipients);
  out->set_started_at_ms(static_cast<std::uint64_t>(absl::ToUnixMillis(options.started_at)));
  return absl::OkStatus();
}

absl::Status FillAgent(const OperatorServiceOptions& options, const catalog::AgentRow& row,
                       v1::AgentInfo* out) {
  out->set_agent_id(row.id.bytes());
  out->set_name(row.name);
  if (row.domain) {
    out->set_domain_id(row.domain->bytes());
    const auto identity = options.store->GetIdentity(*row.domain, row.id);
    if (identity.ok()) out->set_identity(*identity);
  }
  out->set_connected(options.board->IsConnected(row.id));
  out->set_last_seen_ms(row.last_seen_ms);
  out->set_host(row.host);
  out->set_software_version(row.software_version);
  out->set_certificate_not_after_ms(row.certificate_not_after_ms);
  out->set_removed(row.removed);
  out->set_clock_skew_ms(row.clock_skew_ms);
  ASSIGN_OR_RETURN(const auto sources, options.catalog->ListSources(true));
  for (const catalog::SourceRow& source : sources) {
    if (source.agent == row.id) control::FillSource(source, out->add_sources());
  }
  return absl::OkStatus();
}

absl::Status FillStatus(const OperatorServiceOptions& options, v1::StatusReply* out) {
  RETURN_IF_ERROR(FillInstallation(options, out->mutable_installation()));
  ASSIGN_OR_RETURN(const auto sources, options.catalog->ListSources(true));
  for (const catalog::SourceRow& source : sources) {
    RETURN_IF_ERROR(FillSourceStatus(options, source, out->add_sources()));
  }
  RETURN_IF_ERROR(FillPlans(options, out));
  ASSIGN_OR_RETURN(const auto agents, options.catalog->ListAgents(false));
  for (const catalog::AgentRow& agent : agents) {
    RETURN_IF_ERROR(FillAgent(options, agent, out->add_agents()));
  }
  ASSIGN_OR_RETURN(const catalog::Totals totals, options.catalog->GetTotals());
  out->set_store_bytes(totals.pack_bytes);
  out->set_pack_count(totals.pack_count);
  out->set_chunk_count(totals.chunk_count);
  ASSIGN_OR_RETURN(const std::uint64_t free_bytes, options.store->FreeBytes());
  out->set_store_free_bytes(free_bytes);
  ASSIGN_OR_RETURN(const auto damage, options.catalog->ListDamage());
  for (const catalog::DamagedSource& source : damage) FillDamage(source, out->add_damage());
  if (options.scrubber != nullptr && options.scrubber->completed() != absl::InfinitePast()) {
    out->set_scrubbed_at_ms(
        static_cast<std::uint64_t>(absl::ToUnixMillis(options.scrubber->completed())));
  }
  AddWarnings(options, out);
  if (options.quotas != nullptr) RETURN_IF_ERROR(AddQuotaWarnings(options, out));
  if (options.alerts != nullptr) RETURN_IF_ERROR(FillAlertStatus(*options.alerts, out));
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
