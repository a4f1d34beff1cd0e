#include "common/report/documents.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/report/age.h"
#include "fmt/format.h"

namespace holdfast::report {
namespace {

absl::Duration AgeOf(absl::Time now, std::uint64_t unix_ms) {
  return now - absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms));
}

}  // namespace

std::vector<Warning> WarningsOf(const StatusReport& status, absl::Time now) {
  std::vector<Warning> warnings;
  if (!status.installation.initialized) {
    warnings.push_back({"this controller has no owner yet", "holdfast init"});
  }
  for (const SourceStatus& one : status.sources) {
    const std::string name = Escaped(one.source.name);
    if (!one.last_error.empty()) {
      std::string text =
          fmt::format("source '{}' failed {} ago: {}", name,
                      AgeText(AgeOf(now, one.last_error_at_ms)), Escaped(one.last_error, 400));
      if (one.last_error_code != 0) text += fmt::format(" (HF-{:04})", one.last_error_code);
      warnings.push_back({std::move(text), "holdfast backup " + name});
    }
    if (!one.newest) {
      warnings.push_back(
          {fmt::format("source '{}' has never been backed up", name), "holdfast backup " + name});
    } else if (one.newest->partial) {
      warnings.push_back(
          {fmt::format("the newest snapshot of source '{}' is incomplete", name), ""});
    }
  }
  for (const AgentInfo& agent : status.agents) {
    if (agent.removed || agent.connected) continue;
    const std::string seen =
        agent.last_seen_ms == 0
            ? "it was never seen"
            : fmt::format("last seen {} ago", AgeText(AgeOf(now, agent.last_seen_ms)));
    warnings.push_back({fmt::format("agent '{}' is not connected ({})", Escaped(agent.name), seen),
                        "Look at holdfast-agent on its host."});
  }
  for (const Damage& one : status.damage) {
    warnings.push_back(
        {fmt::format("{} chunks are lost or damaged that {} snapshots of source '{}' need (the "
                     "newest: {})",
                     one.chunks, one.seqs.size(), Escaped(one.source_name),
                     one.seqs.empty() ? 0 : one.seqs.back()),
         "holdfast backup " + Escaped(one.source_name) +
             " stores again what the source still has; 'holdfast scrub' names all."});
  }
  for (const std::string& text : status.warnings) warnings.push_back({Escaped(text, 500), ""});
  return warnings;
}

Json StatusJson(const StatusReport& status, const std::vector<Warning>& warnings) {
  Json sources = Json::array();
  for (const SourceStatus& one : status.sources) {
    sources.push_back({{"name", one.source.name},
                       {"kind", one.source.kind},
                       {"id", one.source.id.hex()},
                       {"agent", one.agent_name},
                       {"connected", one.connected},
                       {"snapshots", one.snapshot_count},
                       {"newest", one.newest ? SnapshotJson(*one.newest) : Json()},
                       {"last_error", one.last_error},
                       {"last_error_at", JsonTime(one.last_error_at_ms)}});
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
          {"sources", std::move(sources)},
          {"agents", std::move(agents)},
          {"store",
           {{"bytes", status.store_bytes},
            {"free_bytes", status.store_free_bytes},
            {"packs", status.pack_count},
            {"chunks", status.chunk_count},
            {"scrubbed_at", JsonTime(status.scrubbed_at_ms)}}},
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
