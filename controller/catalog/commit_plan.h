// What a commit changes: which spans of the source it closes and which it opens.
//
// Hides:      how a list of ids, full or a difference, is set against the newest snapshot.
// Invariants: a plan that misses no chunk opens only rows that are not open, and closes each once.
//             Writing it checks again what may change meanwhile (commit.cpp).
// Threading:  as the connection. Errors: kConflict 5023, 5024, 5029, kNotFound as FindSource.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "controller/catalog/lookups.h"
#include "controller/catalog/row_set.h"
#include "controller/catalog/set_digest.h"
#include "controller/catalog/switches.h"

namespace holdfast::catalog {

// What a commit changes, worked out on a reader before anything is written.
struct CommitPlan {
  SourceState state;
  std::optional<SnapshotRow> committed_before;
  std::vector<ChunkId> missing;
  RowSet close;
  RowSet open;  // what the head's set lacks
  std::uint64_t chunk_count = 0;
  SetDigest digest;
  const Switches* switches = nullptr;

  std::uint64_t changes() const { return close.size() + open.size(); }
};

// Calls with a reader, in one transaction each.
using InRead = absl::FunctionRef<absl::Status(absl::FunctionRef<absl::Status(SqliteDb&)>)>;

// While nobody else commits or purges: what the transactions see of the source is the same then.
absl::StatusOr<CommitPlan> MakePlan(InRead in_read, const Switches& switches,
                                    const SnapshotCommit& commit);

absl::Status CheckSeq(const SourceRow& source, std::uint64_t seq);  // kConflict 5023
absl::Status DoesNotFit(std::string_view what);                     // kConflict 5024

}  // namespace holdfast::catalog
