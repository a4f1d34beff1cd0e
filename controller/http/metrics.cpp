#include "controller/http/metrics.h"

#include <prometheus/text_serializer.h>

#include "common/base/version.h"
#include "controller/http/health.h"

namespace holdfast::http {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Labels = std::vector<ClientMetric::Label>;

// Collects gauges by family, in the order in which they are first named.
class Page {
 public:
  // A family without samples is left out.
  void Family(std::string name, std::string help) {
    MetricFamily family;
    family.name = "holdfast_" + std::move(name);
    family.help = std::move(help);
    family.type = prometheus::MetricType::Gauge;
    families_.push_back(std::move(family));
  }
  void Sample(double value, Labels labels = {}) {
    ClientMetric metric;
    metric.gauge.value = value;
    metric.label = std::move(labels);
    families_.back().metric.push_back(std::move(metric));
  }
  void Sample(std::uint64_t value, Labels labels = {}) {
    Sample(static_cast<double>(value), std::move(labels));
  }
  void Sample(bool value, Labels labels = {}) { Sample(value ? 1.0 : 0.0, std::move(labels)); }
  void Sample(absl::Time time, Labels labels = {}) {
    if (time != absl::InfinitePast()) {
      Sample(static_cast<double>(absl::ToUnixMillis(time)) / 1000, std::move(labels));
    }
  }
  std::string Text() const {
    std::vector<MetricFamily> filled;
    for (const MetricFamily& family : families_) {
      if (!family.metric.empty()) filled.push_back(family);
    }
    return prometheus::TextSerializer().Serialize(filled);
  }

 private:
  std::vector<MetricFamily> families_;
};

// One family with a sample for each source that has one.
template <typename Value>
void OfSources(const Facts& facts, Page* page, std::string name, std::string help, Value value) {
  page->Family("source_" + std::move(name), std::move(help));
  for (const SourceFacts& source : facts.sources) {
    const auto sample = value(source);
    if (sample) {
      page->Sample(*sample,
                   {{"agent", source.agent}, {"kind", source.kind}, {"source", source.name}});
    }
  }
}

template <typename Value>
auto OfNewest(Value value) {
  return [value](const SourceFacts& source) {
    using Result = decltype(value(*source.newest));
    return source.newest ? std::optional<Result>(value(*source.newest)) : std::nullopt;
  };
}

void AddFreshness(const Facts& facts, Page* page) {
  OfSources(facts, page, "last_success_timestamp_seconds",
            "When the newest snapshot was committed, by the controller's clock.",
            [](const SourceFacts& source) { return std::optional(source.last_success()); });
  OfSources(facts, page, "age_seconds", "Age of the newest snapshot.",
            [&](const SourceFacts& source) {
              return source.newest
                         ? std::optional(absl::ToDoubleSeconds(facts.at - source.last_success()))
                         : std::nullopt;
            });
  OfSources(facts, page, "objective_seconds", "How old the newest snapshot may become.",
            [](const SourceFacts& source) {
              const auto& allowed = source.plan.recovery_point;
              return allowed ? std::optional(absl::ToDoubleSeconds(*allowed)) : std::nullopt;
            });
  OfSources(facts, page, "objective_broken",
            "1: too old for its objective, or a measured restore took too long.",
            [](const SourceFacts& source) {
              return std::optional(source.plan.is_too_old || source.plan.is_restore_too_slow);
            });
  OfSources(
      facts, page, "healthy", "1: young enough, did not fail, nothing lost.",
      [](const SourceFacts& source) { return std::optional(StateOf(source) == SourceState::kOk); });
  OfSources(facts, page, "last_run_failed", "1: the last backup run failed.",
            [](const SourceFacts& source) { return std::optional(source.failure.has_value()); });
  OfSources(facts, page, "last_failure_timestamp_seconds",
            "When the last backup run failed, while no later one succeeded.",
            [](const SourceFacts& source) {
              return std::optional(TimeOf(source.failure ? source.failure->at_ms : 0));
            });
  OfSources(facts, page, "damaged_snapshots", "Snapshots that need chunks that are lost.",
            [](const SourceFacts& source) { return std::optional(source.damaged_snapshots); });
}

void AddNewest(const Facts& facts, Page* page) {
  using Row = catalog::SnapshotRow;
  OfSources(facts, page, "snapshots", "Snapshots that could be restored.",
            [](const SourceFacts& source) { return std::optional(source.snapshot_count); });
  OfSources(facts, page, "last_duration_seconds", "How long the newest snapshot took.",
            OfNewest([](const Row& row) { return static_cast<double>(row.duration_ms) / 1000; }));
  OfSources(facts, page, "content_bytes", "Size of what the newest snapshot holds.",
            OfNewest([](const Row& row) { return row.content_bytes; }));
  OfSources(facts, page, "last_stored_bytes", "What the newest snapshot added to the store.",
            OfNewest([](const Row& row) { return row.stored_bytes; }));
  OfSources(facts, page, "entries", "Entries of the newest snapshot.",
            OfNewest([](const Row& row) { return row.entry_count; }));
  OfSources(facts, page, "newest_partial", "1: the newest snapshot left entries out.",
            OfNewest([](const Row& row) { return row.partial; }));
  OfSources(facts, page, "last_verified_timestamp_seconds",
            "When the newest snapshot was verified.",
            OfNewest([](const Row& row) { return TimeOf(row.verified_at_ms); }));
  OfSources(facts, page, "logical_bytes", "Size of all snapshots together, as if each were whole.",
            [](const SourceFacts& source) { return std::optional(source.logical_bytes); });
}

void AddAgents(const Facts& facts, Page* page) {
  page->Family("agent_connected", "1: the agent's control stream is open.");
  for (const AgentFacts& agent : facts.agents) {
    page->Sample(agent.is_connected, {{"agent", agent.name}});
  }
  page->Family("agent_last_seen_timestamp_seconds", "When the agent was last heard of.");
  for (const AgentFacts& agent : facts.agents) {
    page->Sample(agent.last_seen, {{"agent", agent.name}});
  }
  page->Family("agent_certificate_expiry_timestamp_seconds",
               "When the agent's certificate ends; it is renewed before, while it connects.");
  for (const AgentFacts& agent : facts.agents) {
    page->Sample(agent.certificate_ends, {{"agent", agent.name}});
  }
}

void AddController(const Facts& facts, Page* page) {
  page->Family("build_info", "The version that runs.");
  page->Sample(1.0, {{"version", kVersion}});
  page->Family("start_time_seconds", "When the controller started.");
  page->Sample(facts.started_at);
  page->Family("backup_healthy", "1: GET /health/backup says healthy.");
  page->Sample(Judge(facts).healthy());
  page->Family("store_writable", "0: the store refuses writes after a failed sync.");
  page->Sample(facts.is_writable);
  page->Family("store_bytes", "Size of all packs.");
  page->Sample(facts.totals.pack_bytes);
  page->Family("store_free_bytes", "Free space where the store lies.");
  page->Sample(facts.free_bytes);
  page->Family("store_packs", "Packs in the store, open ones included.");
  page->Sample(facts.totals.pack_count);
  page->Family("store_chunks", "Chunks in the store.");
  page->Sample(facts.totals.chunk_count);
  std::uint64_t logical = 0;
  for (const SourceFacts& source : facts.sources) logical += source.logical_bytes;
  page->Family("dedup_ratio", "Size of all snapshots together, divided by that of all packs.");
  if (facts.totals.pack_bytes > 0) {
    page->Sample(static_cast<double>(logical) / static_cast<double>(facts.totals.pack_bytes));
  }
  page->Family("catalog_bytes", "Size of the catalog with its log.");
  page->Sample(facts.catalog_bytes);
  page->Family("scrub_completed_timestamp_seconds", "When every pack had been read.");
  page->Sample(facts.scrubbed_at);
  page->Family("controller_certificate_expiry_timestamp_seconds",
               "When the controller's certificates end.");
  page->Sample(facts.server_certificate_ends, {{"certificate", "server"}});
  page->Sample(facts.authority_ends, {{"certificate", "authority"}});
  page->Family("unfinished_jobs", "Jobs that wait or run.");
  page->Sample(facts.unfinished_jobs);
  page->Family("outbox_depth", "Messages about alerts that wait to be delivered.");
  if (facts.outbox) page->Sample(facts.outbox->depth);
  page->Family("outbox_undelivered",
               "Messages that a channel did not take, or that were given up.");
  if (facts.outbox) page->Sample(facts.outbox->undelivered);
  page->Family("reload_refused", "1: the changed configuration is not used.");
  page->Sample(facts.was_reload_refused);
}

}  // namespace

std::string MetricsText(const Facts& facts) {
  Page page;
  AddController(facts, &page);
  AddFreshness(facts, &page);
  AddNewest(facts, &page);
  AddAgents(facts, &page);
  return page.Text();
}

}  // namespace holdfast::http
