// The facts, read from catalog, store and collector.
//
// Hides:      queries, and that the costly question why nothing expires is asked rarely.
// Threading:  Look on one thread at a time; SourceLabel from any.
// Errors:     of the catalog: then nothing is judged.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "controller/alert/facts.h"
#include "controller/catalog/catalog.h"
#include "controller/retention/collector.h"
#include "controller/store/store.h"

namespace holdfast::alert {

// "db"; "shop-1/db" where two agents have a source of this name.
std::string SourceLabel(catalog::Catalog& catalog, const SourceId& source);

// Why a run failed. What an agent says is sealed to the operators; its codes are not.
std::string FailureWords(const catalog::RunFailure& failure);

struct CatalogFactsOptions {
  Env env;
  catalog::Catalog* catalog = nullptr;
  store::Store* store = nullptr;
  retention::Collector* collector = nullptr;  // may be null
  std::function<bool(const AgentId&)> is_connected;
  std::vector<CertificateFacts> certificates;  // of this host
  std::function<void(SourceFacts*)> complete;  // what others know; may be empty
};

class CatalogFacts final : public FactSource {
 public:
  explicit CatalogFacts(CatalogFactsOptions options)
      : options_(std::move(options)), started_(options_.env.clock.Now()) {}
  absl::StatusOr<Facts> Look() override;

 private:
  struct Asked {
    absl::Duration at;
    std::uint64_t seq = 0;
    std::string pause;
  };
  absl::Status AddSources(Facts* facts);
  absl::Status FillSource(const catalog::SourceRow& row, SourceFacts* source);
  absl::StatusOr<std::string> PauseOf(const SourceFacts& source);

  const CatalogFactsOptions options_;
  const absl::Time started_;
  std::map<SourceId, Asked> asked_;
};

}  // namespace holdfast::alert
