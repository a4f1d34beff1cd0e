// Checks a commit and makes it true: record and reference list durable, then the catalog
// transaction.
// Errors:     kIntegrity for a record that is not what its agent may sign, kConflict when the head
//             moved.
// Threading:  any; commits of one source are serialised by its session.
#pragma once

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/store/store.h"

namespace holdfast::ingest {

struct CommitInput {
  catalog::AgentRow agent;
  SourceId source;
  Bytes run_id;
  Bytes record;
  std::unique_ptr<store::StagedDocument> references;
  std::uint64_t content_bytes = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t duration_ms = 0;
  std::uint64_t stored_bytes = 0;
};

absl::StatusOr<catalog::CommitResult> CommitRun(Env env, catalog::Catalog& catalog,
                                                store::Store& store, const CommitInput& input);

}  // namespace holdfast::ingest
