#include "controller/alert/catalog_facts.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

constexpr absl::Duration kAskAgain = absl::Hours(1);
constexpr std::string_view kSealedPrefix = "sealed:";

absl::Time TimeOf(std::uint64_t ms) { return absl::FromUnixMillis(static_cast<std::int64_t>(ms)); }

std::string LabelAmong(const std::vector<catalog::SourceRow>& rows,
                       const catalog::SourceRow& source, catalog::Catalog& catalog) {
  const auto same = std::count_if(rows.begin(), rows.end(),
                                  [&](const auto& other) { return other.name == source.name; });
  if (same < 2) return Escaped(source.name, 64);
  const auto agent = catalog.GetAgent(source.agent);
  return fmt::format("{}/{}", agent.ok() ? Escaped(agent->name, 64) : source.agent.hex(),
                     Escaped(source.name, 64));
}

}  // namespace

std::string FailureWords(const catalog::RunFailure& failure) {
  if (!failure.message.starts_with(kSealedPrefix)) return Escaped(failure.message, 500);
  return fmt::format("exit {}, HF-{:04} ('holdfast status' opens the agent's own words)",
                     failure.exit_code, failure.error_code);
}

std::string SourceLabel(catalog::Catalog& catalog, const SourceId& id) {
  const auto rows = catalog.ListSources(true);
  if (rows.ok()) {
    for (const catalog::SourceRow& row : *rows) {
      if (row.id == id) return LabelAmong(*rows, row, catalog);
    }
  }
  const auto row = catalog.GetSource(id);
  return row.ok() ? Escaped(row->name, 64) : id.hex();
}

absl::StatusOr<Facts> CatalogFacts::Look() {
  Facts facts;
  facts.certificates = options_.certificates;
  facts.store_writable = options_.store->writable();
  ASSIGN_OR_RETURN(facts.free_bytes, options_.store->FreeBytes());
  ASSIGN_OR_RETURN(const auto agents, options_.catalog->ListAgents(false));
  for (const catalog::AgentRow& row : agents) {
    AgentFacts agent;
    agent.id = row.id;
    agent.name = Escaped(row.name, 64);
    agent.connected = options_.is_connected(row.id);
    agent.last_seen = TimeOf(std::max(row.last_seen_ms, row.enrolled_at_ms));
    agent.watched_since = started_;
    agent.certificate_not_after = TimeOf(row.certificate_not_after_ms);
    facts.agents.push_back(std::move(agent));
  }
  RETURN_IF_ERROR(AddSources(&facts));
  return facts;
}

absl::Status CatalogFacts::AddSources(Facts* facts) {
  catalog::Catalog& catalog = *options_.catalog;
  ASSIGN_OR_RETURN(const auto rows, catalog.ListSources(true));
  ASSIGN_OR_RETURN(const auto damage, catalog.ListDamage());
  for (const catalog::SourceRow& row : rows) {
    const auto agent = std::find_if(facts->agents.begin(), facts->agents.end(),
                                    [&](const AgentFacts& one) { return one.id == row.agent; });
    if (agent == facts->agents.end()) continue;  // removed: its snapshots stay, nobody waits
    agent->has_sources = true;
    SourceFacts source;
    source.id = row.id;
    source.label = LabelAmong(rows, row, catalog);
    RETURN_IF_ERROR(FillSource(row, &source));
    for (const catalog::DamagedSource& one : damage) {
      if (one.id != row.id || one.seqs.empty()) continue;
      source.damaged_chunks = one.chunks;
      source.damaged_newest_seq = one.seqs.back();
    }
    if (options_.complete) options_.complete(&source);
    facts->sources.push_back(std::move(source));
  }
  return absl::OkStatus();
}

absl::Status CatalogFacts::FillSource(const catalog::SourceRow& row, SourceFacts* source) {
  catalog::Catalog& catalog = *options_.catalog;
  const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(options_.env.clock.Now()));
  ASSIGN_OR_RETURN(const std::uint64_t since, catalog.alerts().WatchedSince(row.id, now_ms));
  source->watched_since = TimeOf(since);
  ASSIGN_OR_RETURN(const auto newest, catalog.ListSnapshots(row.id, 2));
  if (!newest.empty()) {
    source->last_success = TimeOf(newest[0].committed_at_ms);
    source->newest_seq = newest[0].seq;
    source->newest_bytes = newest[0].content_bytes;
    source->newest_stored_bytes = newest[0].stored_bytes;
  }
  if (newest.size() > 1) {
    source->previous_bytes = newest[1].content_bytes;
    source->previous_stored_bytes = newest[1].stored_bytes;
  }
  ASSIGN_OR_RETURN(const auto failure, catalog.LastFailure(row.id));
  if (failure) source->failure = FailureWords(*failure);
  ASSIGN_OR_RETURN(source->expiry_pause, PauseOf(*source));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CatalogFacts::PauseOf(const SourceFacts& source) {
  if (options_.collector == nullptr || source.newest_seq == 0) return std::string();
  const absl::Duration now = options_.env.clock.Monotonic();
  const auto asked = asked_.find(source.id);
  if (asked != asked_.end() && asked->second.seq == source.newest_seq &&
      now - asked->second.at < kAskAgain) {
    return asked->second.pause;
  }
  ASSIGN_OR_RETURN(const retention::Explanation found, options_.collector->Explain(source.id));
  asked_[source.id] = {now, source.newest_seq, Escaped(found.pause, 500)};
  return asked_[source.id].pause;
}

}  // namespace holdfast::alert
