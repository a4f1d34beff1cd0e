#include "controller/http/gather.h"

#include <map>

#include "common/base/error.h"

namespace holdfast::http {
namespace {

constexpr std::uint32_t kEverySnapshot = 1'000'000;

// With its log, which may be the larger part.
std::uint64_t SizeOfCatalog(FileSystem& fs, const std::string& path) {
  std::uint64_t size = 0;
  for (const char* suffix : {"", "-wal"}) {
    const auto file = fs.OpenRead(path + suffix);
    if (file.ok()) size += (*file)->Size().value_or(0);
  }
  return size;
}

absl::StatusOr<SourceFacts> GatherSource(const GatherOptions& options,
                                         const catalog::SourceRow& row,
                                         const std::string& agent_name) {
  const Views& views = options.views;
  SourceFacts facts;
  facts.id = row.id;
  facts.name = row.name;
  facts.kind = row.kind;
  facts.agent = agent_name;
  facts.is_connected = views.is_connected && views.is_connected(row.agent);
  ASSIGN_OR_RETURN(const auto snapshots, options.catalog->ListSnapshots(row.id, kEverySnapshot));
  facts.snapshot_count = snapshots.size();
  for (const catalog::SnapshotRow& snapshot : snapshots) {
    facts.logical_bytes += snapshot.content_bytes;
  }
  if (!snapshots.empty()) facts.newest = snapshots.front();
  ASSIGN_OR_RETURN(facts.failure, options.catalog->LastFailure(row.id));
  return facts;
}

absl::Status GatherSources(const GatherOptions& options,
                           const std::map<AgentId, std::string>& agent_names, Facts* facts) {
  Plans plans;
  if (options.views.plans) {
    ASSIGN_OR_RETURN(plans, options.views.plans());
  }
  facts->next_scheduled = plans.next_scheduled;
  facts->broken_systems = plans.broken_systems;
  std::map<SourceId, std::uint64_t> damaged;
  ASSIGN_OR_RETURN(const auto damage, options.catalog->ListDamage());
  for (const catalog::DamagedSource& one : damage) damaged[one.id] = one.seqs.size();
  ASSIGN_OR_RETURN(const auto sources, options.catalog->ListSources(true));
  for (const catalog::SourceRow& row : sources) {
    const auto agent = agent_names.find(row.agent);
    if (agent == agent_names.end()) continue;  // removed: nobody backs it up any more
    ASSIGN_OR_RETURN(SourceFacts source, GatherSource(options, row, agent->second));
    source.damaged_snapshots = damaged[row.id];
    source.plan = plans.sources[row.id];
    facts->sources.push_back(std::move(source));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Facts> Gather(const GatherOptions& options) {
  const Views& views = options.views;
  Facts facts;
  facts.at = options.env.clock.Now();
  facts.started_at = options.started_at;
  ASSIGN_OR_RETURN(const catalog::Installation installation, options.catalog->GetInstallation());
  facts.has_owner = installation.owner.has_value();
  facts.is_writable = options.store->writable();
  ASSIGN_OR_RETURN(const auto agents, options.catalog->ListAgents(false));
  std::map<AgentId, std::string> names;
  for (const catalog::AgentRow& row : agents) {
    names[row.id] = row.name;
    facts.agents.push_back({row.name, views.is_connected && views.is_connected(row.id),
                            TimeOf(row.last_seen_ms), TimeOf(row.certificate_not_after_ms)});
  }
  RETURN_IF_ERROR(GatherSources(options, names, &facts));
  ASSIGN_OR_RETURN(facts.totals, options.catalog->GetTotals());
  ASSIGN_OR_RETURN(facts.free_bytes, options.store->FreeBytes());
  facts.catalog_bytes = SizeOfCatalog(options.env.fs, options.catalog_path);
  facts.server_certificate_ends = options.server_certificate_ends;
  facts.authority_ends = options.authority_ends;
  facts.scrubbed_at = options.scrubbed_at ? options.scrubbed_at() : absl::InfinitePast();
  if (views.unfinished_jobs) facts.unfinished_jobs = views.unfinished_jobs();
  if (views.outbox) {
    ASSIGN_OR_RETURN(facts.outbox, views.outbox());
  }
  facts.was_reload_refused = views.was_reload_refused && views.was_reload_refused();
  return facts;
}

}  // namespace holdfast::http
