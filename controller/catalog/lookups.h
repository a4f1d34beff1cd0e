// Rows that several topics of the catalog look up, on a connection inside a transaction.
// Threading: as the connection. Errors: of the connection; kNotFound as named.
#pragma once

#include <optional>

#include "controller/catalog/catalog_rows.h"
#include "controller/catalog/sqlite.h"

namespace holdfast::catalog {

// A source's row with what commits need beside it; kNotFound 5022.
struct SourceState {
  SourceRow source;
  std::int64_t agent_row = 0;
  std::uint64_t committing = 0;
};
absl::StatusOr<SourceState> FindSource(SqliteDb& db, const SourceId& id);
// Nullopt: no chunk of this domain was ever stored.
absl::StatusOr<std::optional<std::int64_t>> FindDomain(SqliteDb& db, const DomainId& domain);
// Deltas that were of no use for want of this base, and lack no other one, are LIVE again.
absl::Status ReviveDeltasOf(SqliteDb& db, std::int64_t base_row);
absl::Status NoSnapshot(std::uint64_t seq);  // kNotFound 5027; 0: the source has none at all
absl::StatusOr<SnapshotRow> ReadSnapshot(SqliteDb& db, std::int64_t source_row, std::uint64_t seq);
absl::StatusOr<std::optional<SnapshotRow>> ReadRun(SqliteDb& db, std::int64_t source_row,
                                                   ByteView run_id);

// An agent is about to rely on this chunk, which was condemned a moment ago. False: it is gone.
absl::StatusOr<bool> Resurrect(SqliteDb& db, std::int64_t chunk);

// A chunk's row by id within a domain.
struct ChunkRow {
  std::int64_t rid = 0;  // 0: there is none
  int state = 0;
};
class ChunkLookup {
 public:
  static absl::StatusOr<ChunkLookup> Prepare(SqliteDb& db);
  absl::StatusOr<ChunkRow> Find(std::int64_t domain_row, const ChunkId& id);

 private:
  explicit ChunkLookup(Statement statement) : statement_(std::move(statement)) {}
  Statement statement_;
};

}  // namespace holdfast::catalog
