// The facts of this moment, from catalog and store.
//
// Threading: any. Errors: of the catalog.
#pragma once

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/http/facts.h"
#include "controller/store/store.h"

namespace holdfast::http {

struct GatherOptions {
  Env env;
  catalog::Catalog* catalog = nullptr;
  store::Store* store = nullptr;
  std::string catalog_path;
  absl::Time started_at{};
  absl::Time server_certificate_ends{};
  absl::Time authority_ends{};
  std::function<absl::Time()> scrubbed_at{};
  Views views{};
};

absl::StatusOr<Facts> Gather(const GatherOptions& options);

}  // namespace holdfast::http
