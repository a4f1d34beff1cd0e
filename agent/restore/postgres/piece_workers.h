// Runs one piece of work after another on parallel COPY connections; the first error stops all.
// Threading: joins its threads before it returns; `work` is called from several.
#pragma once

#include <functional>
#include <stop_token>

#include "agent/restore/postgres/database_loader.h"

namespace holdfast::restore {

// A table, or a part of a large one: what one COPY writes or reads.
struct TablePiece {
  const StoredTable* table;
  const Entry* entry = nullptr;  // to be written
  source::PageRange pages;       // to be read
};

using PieceWork = std::function<absl::Status(const TablePiece&, source::PgCopy&)>;
absl::Status ForEachPiece(const LoadTarget& target, const std::vector<TablePiece>& pieces,
                          const PieceWork& work, std::stop_token stop);

}  // namespace holdfast::restore
