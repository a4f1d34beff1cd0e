// Rules and sizes of commits and collection that the model test switches off or makes small.
//
// It must interleave what runs in one call, cut it off anywhere, and prove that it notices when one
// rule of the correctness argument is missing. Nobody else changes them.
// Threading: set before the catalog is used.
#pragma once

#include <cstdint>
#include <functional>

#include "controller/catalog/collection.h"

namespace holdfast::catalog {

struct Switches {
  bool commit_checks_presence = true;
  bool commit_clears_trash = true;
  bool rollback_reopens = true;
  bool rollback_keeps_candidates = true;
  bool uploads_are_candidates = true;
  bool trash_keeps_references = true;
  bool purge_waits_for_commits = true;
  bool purge_reaps_gaps = true;
  bool sweep_rechecks_spans = true;
  bool sweep_spares_bases = true;
  bool retire_rechecks = true;
  bool move_checks_target = true;
  std::size_t commit_batch = 2048;  // changes; ~30 ms: other writers wait no longer than that
  // SQLite's log only grows while a read transaction is open.
  std::uint64_t read_rows = 2'048;  // that one of a commit looks at
  int step_rows = kStepRows;
  std::function<void()> between_reads;         // of a commit that is planned or checked
  std::function<void()> between_transactions;  // of a commit
  std::int64_t writes_left = -1;               // then the process "dies"; -1: never
};

}  // namespace holdfast::catalog
