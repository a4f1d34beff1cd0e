#include "common/report/documents.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/report/plans.h"

namespace holdfast::report {

Json StatusJson(const StatusReport& status, const std::vector<Warning>& warnings) {
  Json sources = Json::array();
  for (const SourceStatus& one : status.sources) {
    sources.push_back(
        {{"name", one.source.name},
         {"kind", one.source.kind},
         {"id", one.source.id.hex()},
         {"agent", one.agent_name},
         {"connected", one.connected},
         {"snapshots", one.snapshot_count},
         {"newest", one.newest ? SnapshotJson(*one.newest) : Json()},
         {"last_error", one.last_error},
         {"last_error_at", JsonTime(one.last_error_at_ms)},
         {"failures_in_row", one.failures_in_row},
         {"newest_verified_at", JsonTime(one.newest_verified_ms)},
         {"schedule", one.schedule ? ScheduleJson(*one.schedule) : Json()},
         {"objective", one.objective ? StandingJson(one.objective->standing) : Json()}});
  }
  Json systems = Json::array();
  for (const SystemObjective& one : status.systems) {
    systems.push_back(
        {{"name", one.name}, {"sources", one.sources}, {"objective", StandingJson(one.standing)}});
  }
  Json agents = Json::array();
  for (const AgentInfo& agent : status.agents) agents.push_back(AgentJson(agent));
  Json texts = Json::array();
  for (const Warning& warning : warnings) {
    texts.push_back({{"text", warning.text}, {"hint", warning.hint}});
  }
  const Installation& installation = status.installation;
  return {{"controller",
           {{"id", ToHex(installation.controller_id)},
            {"version", installation.software_version},
            {"initialized", installation.initialized},
            {"started_at", JsonTime(installation.started_at_ms)},
            {"agent_address", installation.agent_address},
            {"enrollment_address", installation.enrollment_address}}},
          {"objectives_broken", BrokenOf(status)},
          {"sources", std::move(sources)},
          {"systems", std::move(systems)},
          {"agents", std::move(agents)},
          {"store",
           {{"bytes", status.store_bytes},
            {"free_bytes", status.store_free_bytes},
            {"packs", status.pack_count},
            {"chunks", status.chunk_count},
            {"scrubbed_at", JsonTime(status.scrubbed_at_ms)}}},
          {"alerts",
           {{"open", status.open_alerts},
            {"acknowledged", status.acknowledged_alerts},
            {"gravest", status.gravest_alert},
            {"undelivered", status.undelivered_alerts},
            {"channels", status.alert_channels}}},
          {"warnings", std::move(texts)}};
}

Json SourcesJson(const StatusReport& status) {
  Json list = Json::array();
  for (const SourceStatus& one : status.sources) {
    list.push_back({{"name", one.source.name},
                    {"kind", one.source.kind},
                    {"id", one.source.id.hex()},
                    {"agent", one.agent_name},
                    {"connected", one.connected},
                    {"snapshots", one.snapshot_count},
                    {"newest", one.newest ? SnapshotJson(*one.newest) : Json()}});
  }
  return {{"sources", std::move(list)}};
}

Json AgentsJson(const std::vector<AgentInfo>& agents) {
  Json list = Json::array();
  for (const AgentInfo& agent : agents) list.push_back(AgentJson(agent));
  return {{"agents", std::move(list)}};
}

Json SnapshotsJson(const std::vector<SnapshotSummary>& snapshots) {
  Json list = Json::array();
  for (const SnapshotSummary& one : snapshots) list.push_back(SnapshotJson(one));
  return {{"snapshots", std::move(list)}};
}

void SortForReaders(std::vector<SnapshotSummary>* snapshots) {
  std::stable_sort(snapshots->begin(), snapshots->end(), [](const auto& a, const auto& b) {
    return a.source_name != b.source_name ? a.source_name < b.source_name : a.seq > b.seq;
  });
}

}  // namespace holdfast::report
