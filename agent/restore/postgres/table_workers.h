// Runs one piece of work per table on parallel COPY connections; the first error stops all.
// Threading: joins its threads before it returns; `work` is called from several.
#pragma once

#include <functional>
#include <stop_token>

#include "agent/restore/postgres/database_loader.h"

namespace holdfast::restore {

using TableWork = std::function<absl::Status(const StoredTable&, source::PgCopy&)>;
absl::Status ForEachTable(const LoadTarget& target, const std::vector<StoredTable>& tables,
                          const TableWork& work, std::stop_token stop);

}  // namespace holdfast::restore
