#include "agent/source/postgres/table_parts.h"

#include "agent/source/postgres/database_facts.h"
#include "common/base/error.h"

namespace holdfast::source {

std::vector<PageRange> CutIntoParts(std::uint64_t pages, std::uint64_t pages_per_part) {
  std::vector<PageRange> parts(1);
  for (std::uint64_t cut = pages_per_part; cut < pages; cut += pages_per_part) {
    parts.back().end = cut;
    parts.push_back({cut, std::nullopt});
  }
  return parts;
}

absl::StatusOr<std::vector<PageRange>> PartsToRead(PgSession& session, const TableFacts& table,
                                                   std::uint64_t pages_per_part) {
  const std::vector<PageRange> whole(1);
  // Rows without columns, or chosen by an extension's condition, are read by one statement.
  if (table.columns.empty() || !table.condition.empty()) return whole;
  std::vector<PageRange> parts = CutIntoParts(table.heap_pages, pages_per_part);
  if (parts.size() == 1 || session.server_major() < 14) return whole;
  // What it does with the largest range it does with the others.
  ASSIGN_OR_RETURN(const PgRows plan,
                   session.Query("EXPLAIN (COSTS OFF) " + SelectSql(table, parts[0])));
  const bool by_pages = !plan.empty() && Text(plan[0], 0).starts_with("Tid Range Scan");
  return by_pages ? parts : whole;
}

}  // namespace holdfast::source
