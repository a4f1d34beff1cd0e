// A large table in parts: runs of heap pages, each read by its own COPY and stored as its own
// entry, so that several connections work on one table.
//
// Hides:      where a table is cut, and whether the server can read a run of pages without the
//             rest.
// Invariants: I1  The parts of a table have every row of it once: they begin at page 0, follow each
//                 other, and the last one has no end, whatever was added since pages were counted.
//             I2  A cut depends on the number of pages only. Unchanged data has the same cuts, and
//                 a table that grows keeps those it had.
// Threading:  values and pure functions; PartsToRead uses its session.
// Errors:     of the session.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/source/postgres/session.h"

namespace holdfast::source {

struct TableFacts;

// 64 MiB of heap: a part takes a second or less, so workers end together; its entry and the chunk
// that ends with it cost nothing beside its rows.
inline constexpr std::uint64_t kPagesPerPart = 8192;

// SQL: the heap pages of the table in row `c` of pg_class; 0 when it is kept another way.
inline constexpr char kHeapPagesSql[] =
    "CASE WHEN c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap') THEN "
    "pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END";

struct PageRange {
  std::uint64_t begin = 0;
  std::optional<std::uint64_t> end;  // none: to the end of the table

  bool whole() const { return begin == 0 && !end; }
  friend bool operator==(const PageRange&, const PageRange&) = default;
};

std::vector<PageRange> CutIntoParts(std::uint64_t pages, std::uint64_t pages_per_part);

// The same for a table of `heap_pages`; but one range when the server would read all pages for each
// (it has no TID range scan, which is new in PostgreSQL 14, or does not choose it).
absl::StatusOr<std::vector<PageRange>> PartsToRead(PgSession& session, const TableFacts& table,
                                                   std::uint64_t pages_per_part);

}  // namespace holdfast::source
