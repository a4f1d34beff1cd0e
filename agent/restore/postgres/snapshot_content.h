// The entries of a PostgreSQL snapshot, found and checked before a server is touched.
//
// Invariants: bytes handed out by ReadVerified have the content hash of their entry, or the read
//             ends with kIntegrity.
// Threading:  const methods from any thread.
// Errors:     kIntegrity 3110 (an entry is missing or makes no sense), 3111 (content damaged).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "agent/source/postgres/database_facts.h"
#include "agent/source/postgres/row_checksum.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct StoredTable {
  source::TableFacts facts;
  std::vector<Entry> parts;  // at least one, all that there are, in their order

  std::uint64_t content_bytes() const;
  source::RowChecksum rows() const;  // of all parts
};

struct SnapshotContent {
  source::DatabaseFacts database;
  std::vector<source::SequenceFacts> sequences;
  std::string globals;
  std::string pre_data;
  std::string post_data;
  std::optional<Entry> large_objects;
  std::vector<StoredTable> tables;  // largest first
  std::uint64_t total_bytes = 0;
};

absl::StatusOr<SnapshotContent> ReadContent(const SnapshotView& view);

absl::Status ReadVerified(const SnapshotView& view, const Entry& entry,
                          absl::FunctionRef<absl::Status(ByteView)> consume);

}  // namespace holdfast::restore
